"""How a SQLite ledger file is opened, for writing and for reading, and what its errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from harvester.errors import HarvesterError, LedgerDamaged, LedgerUnavailable, LedgerUnusable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

BUSY_TIMEOUT_SECONDS = 60.0
"""How long a transaction waits for another process's; each takes about a millisecond."""

_WRITING = (
    "PRAGMA journal_mode = WAL",
    # Committed means on disk: NORMAL survives a killed process but not a power cut.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -32768",
    "PRAGMA temp_store = MEMORY",
)
_READING = ("PRAGMA query_only = ON", "PRAGMA cache_size = -8192")


def writing_engine(path: Path) -> Engine:
    """An engine whose transactions take the write lock when they begin, so that none fails halfway for it."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=NullPool,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_SECONDS},
    )
    _prepare_connections(engine, _WRITING)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def reading_engine(path: Path) -> Engine:
    """An engine that cannot write."""
    engine = create_engine(
        _read_only("sqlite", path),
        poolclass=NullPool,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )
    _prepare_connections(engine, _READING)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def async_reading_engine(path: Path) -> AsyncEngine:
    """The same through aiosqlite, for reads beside a running crawl."""
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(
        _read_only("sqlite+aiosqlite", path),
        poolclass=NullPool,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS},
    )
    _prepare_connections(engine.sync_engine, _READING)
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _read_only(driver: str, path: Path) -> URL:
    return URL.create(driver, database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})


def _prepare_connections(engine: Engine, pragmas: tuple[str, ...]) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The driver must not open transactions of its own: BEGIN is said where it is meant.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()


@contextmanager
def ledger_errors(path: Path) -> Iterator[None]:
    """Turn the database's errors into sentences."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise explain(error, path) from error
    except DBAPIError as error:
        if not isinstance(error.orig, sqlite3.DatabaseError):
            raise
        raise explain(error.orig, path) from error


def explain(error: sqlite3.DatabaseError, path: Path) -> HarvesterError:
    """The error of ours that a SQLite error stands for; itself a bug of ours where it is none of the known ones."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    unchanged = "What was committed before is safe."
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LedgerUnavailable(
            f"The ledger {path.name} was locked by another process for {BUSY_TIMEOUT_SECONDS:.0f} s.",
            state=unchanged,
            next_step="See what holds it open (fuser, lsof), then run the command again.",
        )
    if primary in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return LedgerUnavailable(
            f"The ledger {path.name} could not be written: {error}.",
            state=unchanged,
            next_step="Make room on the disk, then run the command again: it goes on where it stopped.",
        )
    if primary == sqlite3.SQLITE_READONLY:
        return LedgerUnusable(
            f"The ledger {path.name} cannot be written by this user.",
            state="Nothing was changed.",
            next_step="Mend the permissions of the file and of its folder.",
        )
    if primary == sqlite3.SQLITE_CANTOPEN:
        return LedgerUnusable(
            f"The ledger {path} cannot be opened.",
            next_step="See that its folder exists and is writable by this user.",
        )
    if primary == sqlite3.SQLITE_NOTADB:
        return LedgerUnusable(
            f"{path} is not a ledger.", state="It was left as it is.", next_step="Set ledger.url to another file."
        )
    if primary == sqlite3.SQLITE_CORRUPT:
        return LedgerDamaged(
            f"The ledger {path.name} is damaged: {error}.",
            state="It was left as it is.",
            next_step="Restore it from a backup, or rescue it with: sqlite3 " + path.name + " .recover",
        )
    return HarvesterError(f"The ledger refused a transaction: {error}.", state=unchanged)
