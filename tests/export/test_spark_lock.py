"""The lock file of PySpark: apart from the main one."""

from __future__ import annotations

import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def pins(lock: Path) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9._-]+)==([^ ]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(found)


def test_it_holds_what_the_main_one_does_not() -> None:
    ours, main = pins(CHECKOUT / "tests/spark/requirements.lock"), pins(CHECKOUT / "requirements.lock")
    assert "pyspark" in ours
    assert not ours.keys() & main.keys()
