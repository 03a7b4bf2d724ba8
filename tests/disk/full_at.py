"""The command line on a disk that fills up at a point: `python full_at.py settle run`.

From the first time that the ledger is asked for it on, no file can be written any more.
"""

from __future__ import annotations

import resource
import sys
from typing import Any

from harvester.cli import main
from harvester.ledger.ledger import Ledger


def fill_the_disk_at(name: str) -> None:
    original = getattr(Ledger, name)

    async def full(*args: Any, **kwargs: Any) -> Any:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        return await original(*args, **kwargs)

    setattr(Ledger, name, full)


if __name__ == "__main__":
    fill_the_disk_at(sys.argv.pop(1))
    main(prog_name="harvester")
