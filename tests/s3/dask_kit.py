"""What the workers of a test's Dask cluster open: a ledger that lets them be caught in the middle of a part."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from children import wait_until

from harvester.ledger.books import SqliteBooks
from harvester.model import Span


class HeldBooks(SqliteBooks):
    """Notes in a folder who begins which part, and waits there for a file named `go`."""

    def __init__(self, path: Path, folder: Path) -> None:
        super().__init__(path)
        self._folder = folder

    def fetched(self, span: Span, size: int) -> Iterator[Sequence[tuple[str, int]]]:
        for number, rows in enumerate(super().fetched(span, size)):
            if number == 0:
                (self._folder / f"{os.getpid()}-{span.first}").touch()
                wait_until((self._folder / "go").exists)
            yield rows


def attempts(folder: Path) -> list[tuple[int, int]]:
    """Who, by process id, began which part, by first position."""
    found = [path.name.partition("-") for path in folder.iterdir() if path.name != "go"]
    return [(int(pid), int(first)) for pid, _, first in found]
