"""Opening of a SQLite ledger file, for writing and for reading, and the meaning of its errors."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from harvester.errors import HarvesterError, LedgerDamaged, LedgerUnavailable, LedgerUnusable
from harvester.support.sanitize import shown

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

BUSY_TIMEOUT_SECONDS = 60.0
"""How long a transaction waits for those of other processes, which take about a millisecond each."""
LOCK_POLL_SECONDS = 1.0
"""How often a transaction that waits for the write lock looks whether waiting has been stopped."""
_EMPTY_WAL_SECONDS = 5
"""How long to wait for readers of the ledger."""
_FILES = 4
_LOCKED_PAUSE_SECONDS = 0.005

_WRITING = (
    # For a new file: a body takes half as many pages as with SQLite's default of 4096.
    "PRAGMA page_size = 8192",
    "PRAGMA journal_mode = WAL",
    # Committed means on disk: NORMAL survives a killed process but not a power cut.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -8192",
    "PRAGMA temp_store = MEMORY",
    # 64 MB: usually `checkpoint` runs before. This is for writing without a pause, since the WAL restarts only after a
    # complete checkpoint.
    "PRAGMA wal_autocheckpoint = 8000",
)
_SAFE = "What was committed before is safe."
_UNREADABLE = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_FSTAT)
_READING = ("PRAGMA query_only = ON", "PRAGMA cache_size = -8192")


def writing_engine(path: Path) -> Engine:
    """An engine whose transactions take the write lock when they begin, so that none fails halfway for it."""
    engine = create_engine(URL.create("sqlite", database=str(path)), **_options())
    return _prepared(engine, _WRITING, "BEGIN IMMEDIATE")


def reading_engine(path: Path, *, immutable: bool = False) -> Engine:
    """An engine that cannot write. `immutable`: see `needs_immutable`."""
    query = {"mode": "ro", "uri": "true"} | ({"immutable": "1"} if immutable else {})
    engine = create_engine(URL.create("sqlite", database=_address(path), query=query), **_options())
    return _prepared(engine, _READING, "BEGIN")


def async_reading_engine(path: Path) -> AsyncEngine:
    """An engine that cannot write, through aiosqlite, for reads beside a running crawl."""
    from sqlalchemy.ext.asyncio import create_async_engine

    url = URL.create("sqlite+aiosqlite", database=_address(path), query={"mode": "ro", "uri": "true"})
    engine = create_async_engine(url, **_options())
    _prepared(engine.sync_engine, _READING, "BEGIN")
    return engine


def _address(path: Path) -> str:
    return f"file:{quote(os.fsencode(path))}"


def _options() -> dict[str, Any]:
    return {"poolclass": NullPool, "connect_args": {"check_same_thread": False, "timeout": BUSY_TIMEOUT_SECONDS}}


@contextmanager
def driver_connection(engine: Engine) -> Iterator[tuple[Connection, sqlite3.Connection]]:
    """A connection of an engine that is not used again, with that of the sqlite3 module below it."""
    try:
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            yield connection, driver
    finally:
        engine.dispose()


@contextmanager
def reading_connection(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, in a transaction; without locks where there can be none."""
    uri = f"{_address(path)}?mode=ro{'&immutable=1' if needs_immutable(path) else ''}"
    options: dict[str, Any] = {"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False, "isolation_level": None}
    with closing(sqlite3.connect(uri, uri=True, **options)) as db:
        for statement in (*_READING, "BEGIN"):
            db.execute(statement)
        yield db


def needs_immutable(path: Path) -> bool:
    """Whether the file has to be read as immutable: without locks, and without its WAL.

    Even to read a ledger, SQLite makes two files next to it. Where this user may make none, as on a disk that is
    mounted read-only, this is the only way. It is safe while the WAL is empty, since the file then holds every
    commit, and while the file does not change, which the reader has to check.
    """
    real = path.resolve()
    if os.access(real.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        return False
    try:
        return real.with_name(f"{real.name}-wal").stat().st_size == 0
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _prepared(engine: Engine, pragmas: tuple[str, ...], begin: str) -> Engine:
    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The driver must not open transactions of its own: each BEGIN is explicit.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            _execute_with_retry(cursor, pragma)
        cursor.close()

    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _execute_with_retry(cursor: Any, pragma: str) -> None:
    """Run a pragma, and again while the file is locked: switching a new file to WAL does not wait for others."""
    give_up_at = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute(pragma)
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() >= give_up_at:
                raise
            time.sleep(_LOCKED_PAUSE_SECONDS)


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY


def wait_for_lock(db: sqlite3.Connection, seconds: float) -> None:
    """Let transactions wait for the write lock for `seconds` when they begin."""
    db.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")


def begin_writing(db: sqlite3.Connection, waiting_stopped: threading.Event) -> None:
    """Begin a transaction with the write lock; once `waiting_stopped` is set, try only once more."""
    give_up_at = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            db.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if waiting_stopped.is_set():
                wait_for_lock(db, 0)
            if not _is_busy(error) or waiting_stopped.is_set() or time.monotonic() >= give_up_at:
                raise


@contextmanager
def ledger_errors(path: Path) -> Iterator[None]:
    """Turn the database's errors into harvester's."""
    try:
        yield
    except UnicodeDecodeError as error:
        # If the schema or a text is garbage, so is SQLite's message about it.
        raise damaged_error(path, "it contains invalid text") from error
    except MemoryError as error:
        # The length of a row is garbage.
        raise damaged_error(path, "a row of it asks for more memory than there is") from error
    except sqlite3.DatabaseError as error:
        raise explain(error, path) from error
    except DBAPIError as error:
        if not isinstance(error.orig, sqlite3.DatabaseError):
            raise
        raise explain(error.orig, path) from error


def explain(error: sqlite3.DatabaseError, path: Path) -> HarvesterError:
    """The harvester error for an error of SQLite; a plain HarvesterError where it is not a known one."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LedgerUnavailable(
            f"The ledger {shown(path.name)} is locked by another process.",
            state=_SAFE,
            next_step="See what holds it open (fuser, lsof), then run the command again.",
        )
    if code in _UNREADABLE:
        return LedgerUnavailable(
            f"The ledger {shown(path.name)} could not be read: {error}.",
            state="Nothing was changed.",
            next_step="Look at the disk and at the system's log, then run the command again.",
        )
    if primary in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) or (
        primary == sqlite3.SQLITE_CANTOPEN and _has_no_room(path.parent)
    ):
        return LedgerUnavailable(
            f"The ledger {shown(path.name)} could not be written: {error}.",
            state=_SAFE,
            next_step="Make room on the disk, then run the command again: it continues where it stopped.",
        )
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_TOOBIG) or "Could not decode to UTF-8" in str(error):
        return damaged_error(path, str(error))
    if code == sqlite3.SQLITE_READONLY_ROLLBACK:
        return LedgerUnusable(
            f"A change to {shown(path.name)} was cut off, and has not been undone yet.",
            state="It was left as it is.",
            next_step="Where it was harvester init, run that again; where it was another program, that one.",
        )
    return _unusable(primary, path) or HarvesterError(f"The ledger refused a transaction: {error}.", state=_SAFE)


def file_identity(path: Path) -> tuple[int, int] | None:
    """The device and inode of the file at `path`; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def checkpoint(path: Path) -> None:
    """Checkpoint the WAL as far as no reader needs it, while others go on writing.

    What fails is left to the next writer.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{_address(path)}?mode=rw", uri=True)) as db:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def empty_wal(db: sqlite3.Connection) -> None:
    """Checkpoint all of the WAL, for a file that was renamed or removed.

    Its WAL stays behind under the old name. Otherwise the file would lack its last commits, and SQLite would apply
    them to the file that has that name now, and damage it.
    """
    with suppress(sqlite3.Error):
        wait_for_lock(db, _EMPTY_WAL_SECONDS)
        db.execute("PRAGMA wal_checkpoint = TRUNCATE").fetchone()


def replaced_error(path: Path) -> LedgerUnusable:
    """The error for a ledger file that was replaced or removed while in use."""
    return LedgerUnusable(
        f"The ledger {shown(path.name)} was replaced or removed while it was in use.",
        state="What was committed is in the file that stood there before. What stands there now was left as it is.",
        next_step="Put the right file in its place, then run the command again.",
    )


def damaged_error(path: Path, how: str) -> LedgerDamaged:
    """Return the error for a damaged ledger: `how` says what is wrong."""
    return LedgerDamaged(
        f"The ledger {shown(path.name)} is damaged: {how}.",
        state="Nothing was repaired or thrown away.",
        next_step=f"Restore it from a backup, or rescue what can be read: sqlite3 {shown(path.name)} .recover",
    )


def _unusable(primary: int | None, path: Path) -> HarvesterError | None:
    if primary == sqlite3.SQLITE_READONLY:
        return LedgerUnusable(
            f"The ledger {shown(path.name)} cannot be written by this user.",
            state="Nothing was changed.",
            next_step="Fix the permissions of the file and of its folder.",
        )
    if primary == sqlite3.SQLITE_CANTOPEN and _no_descriptor_left():
        return LedgerUnavailable(
            f"The ledger {shown(path.name)} cannot be opened: this process may open no more files.",
            state=_SAFE,
            next_step="Raise the limit (ulimit -n 1024), or lower run.concurrency, and run the command again.",
        )
    if primary == sqlite3.SQLITE_CANTOPEN:
        return LedgerUnusable(
            f"The ledger {shown(str(path))} cannot be opened.",
            state="Nothing was changed.",
            next_step="See that its folder exists and is writable by this user.",
        )
    if primary == sqlite3.SQLITE_NOTADB:
        return LedgerUnusable(
            f"{shown(str(path))} is not a ledger, or its first bytes are damaged.",
            state="It was left as it is.",
            next_step="Set ledger.url to another file, or restore the ledger from a backup.",
        )
    return None


def _no_descriptor_left() -> bool:
    """Whether this process may open too few more files for a ledger, its WAL and their lock."""
    opened: list[int] = []
    try:
        opened.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(_FILES))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    finally:
        for fd in opened:
            os.close(fd)
    return False


def _has_no_room(folder: Path) -> bool:
    """Whether no file can be made there because the disk, or its table of files, is full."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail == 0 or (disk.f_files > 0 and disk.f_favail == 0)
