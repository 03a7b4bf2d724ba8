"""The reading side of a SQLite ledger: for status, export and verify, beside a running crawl."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from harvester.errors import LedgerDamaged, LedgerUnavailable
from harvester.ledger import queries
from harvester.ledger.reader import LedgerReader
from harvester.ledger.sqlite.connection import damaged_error, ledger_errors, needs_immutable, reading_engine
from harvester.model import StoredResponse
from harvester.support.sanitize import shown


class SqliteReader(LedgerReader):
    """Reads a SQLite ledger from one snapshot, without what a run commits meanwhile: see `LedgerReader`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._footprint = _footprint(path)
        self._immutable = needs_immutable(path)
        self._engine = reading_engine(path, immutable=self._immutable)
        with self._reading():
            self._db = self._engine.connect()
            self._db.begin()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn errors into harvester's, and refuse what was read without locks if the file was written meanwhile."""
        try:
            with ledger_errors(self._path):
                yield
        except LedgerDamaged:
            self._see_that_nobody_wrote()
            raise
        except ValueError as error:
            self._see_that_nobody_wrote()
            # A time, a day or a state that no harvester writes.
            raise damaged_error(self._path, str(error)) from error
        self._see_that_nobody_wrote()

    def _see_that_nobody_wrote(self) -> None:
        if self._immutable and _footprint(self._path) != self._footprint:
            raise LedgerUnavailable(
                f"The ledger {shown(self._path.name)} was written to while it was read, where it cannot be locked.",
                state="Nothing was changed.",
                next_step="Run the command again.",
            )

    def _read_responses(self, call_ids: Iterable[int]) -> Iterator[StoredResponse]:
        read = cast(sqlite3.Connection, self._db.connection.driver_connection).execute
        for call_id in call_ids:
            row = read(queries.RESPONSE, (call_id,)).fetchone()
            if row is not None:
                yield queries.as_response(row)


def _footprint(path: Path) -> tuple[int, int, int] | None:
    """A value that changes once something was written to the file."""
    try:
        file = path.stat()
    except OSError:
        return None
    return file.st_ino, file.st_size, file.st_mtime_ns
