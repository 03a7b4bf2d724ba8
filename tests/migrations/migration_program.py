"""A process of its own that prepares ledgers.

python migration_program.py prepare LEDGER…          each when it is told to, by a line
python migration_program.py migrate FOLDER REVISION LEDGER   with the migrations of that folder
"""

from __future__ import annotations

import sys
from pathlib import Path

from harvester.ledger.sqlite import migrate


def main(role: str, *arguments: str) -> None:
    if role == "migrate":
        folder, revision, path = arguments
        migrate.migrations_folder = lambda: Path(folder)
        migrate.REVISION = revision
        migrate.prepare(Path(path))
        return
    for path in arguments:
        print("ready", flush=True)
        sys.stdin.readline()
        migrate.prepare(Path(path))
        migrate.check(Path(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
