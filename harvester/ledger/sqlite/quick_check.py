"""A quick check of a ledger file, within a few seconds. The whole check is `verify`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from harvester.ledger.schema import metadata
from harvester.ledger.sqlite.connection import damaged_error, ledger_errors, reading_connection

MAX_SECONDS = 3.0
_STEPS_BETWEEN_LOOKS_AT_THE_CLOCK = 10_000


def quick_look(path: Path, max_seconds: float = MAX_SECONDS) -> bool:
    """Compare the schema and let SQLite check the pages. Returns whether there was time for every page. Reads only.

    Raises LedgerDamaged with the first fault, or another of the ledger's errors.
    """
    with ledger_errors(path), reading_connection(path) as db:
        for lost in _lost(db):
            raise damaged_error(path, lost)
        return _check_pages(db, path, max_seconds)


def _lost(db: sqlite3.Connection) -> Iterator[str]:
    """The tables, columns and indexes that a ledger of this version lacks."""
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    for table in metadata.sorted_tables:
        if table.name not in names:
            yield f"its table {table.name} is not there"
        columns = {name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (table.name,))}
        yield from (f"{table.name} has no column {c.name}" for c in table.columns if c.name not in columns)
        yield from (f"its index {index.name} is not there" for index in table.indexes if index.name not in names)


def _check_pages(db: sqlite3.Connection, path: Path, max_seconds: float) -> bool:
    end = time.monotonic() + max_seconds
    db.set_progress_handler(lambda: time.monotonic() > end, _STEPS_BETWEEN_LOOKS_AT_THE_CLOCK)
    try:
        (first,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return False
    finally:
        db.set_progress_handler(None, 0)
    if first != "ok":
        raise damaged_error(path, first.replace("\n", " ").rstrip("."))
    return True
