"""The lock file of PySpark: pinned with hashes, apart from the main one, and naming no host."""

from __future__ import annotations

import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def pins(lock: Path) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9._-]+)==([^ ]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(found)


def test_it_holds_what_the_main_one_does_not() -> None:
    text = (CHECKOUT / "tests/spark/requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    for block in re.split(r"\n(?=[a-z])", text):
        assert "==" in block.splitlines()[0]
        assert "--hash=sha256:" in block
    ours, main = pins(CHECKOUT / "tests/spark/requirements.lock"), pins(CHECKOUT / "requirements.lock")
    assert "pyspark" in ours
    assert not ours.keys() & main.keys()
