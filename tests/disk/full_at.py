"""The command line on a disk that is full: `python full_at.py settle run`, `python full_at.py 600000 run`.

From the first time that the ledger is asked to settle on, no file can be written any more; or none can grow larger than
so many bytes. Python ignores the signal that comes with it.
"""

from __future__ import annotations

import resource
import sys
from typing import Any

from harvester.cli.program import main
from harvester.ledger.ledger import Ledger


def fill_the_disk_at(name: str) -> None:
    original = getattr(Ledger, name)

    async def full(*args: Any, **kwargs: Any) -> Any:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        return await original(*args, **kwargs)

    setattr(Ledger, name, full)


if __name__ == "__main__":
    where = sys.argv.pop(1)
    if where.isdigit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(where), int(where)))
    else:
        fill_the_disk_at(where)
    main(prog_name="harvester")
