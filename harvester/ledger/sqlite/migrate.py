"""Create a ledger, or bring one up to date, by Alembic's migrations, all in one transaction.

Before a ledger that holds something is migrated, it is copied to `<ledger>.before-<revision>`. The copy appears by
rename, whole and on disk, and is removed once the migration has committed. So wherever `prepare` is cut off, the
ledger itself is either as it was or migrated; `prepare` continues from there: it makes the copy anew in the first case,
and removes it in the second. A migration that fails leaves both. To go back by hand, with no harvester running:
move the copy over the ledger and remove the `-wal` and `-shm` next to it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.errors import HarvesterError, LedgerDamaged, LedgerUnavailable, LedgerUnusable
from harvester.ledger.schema import metadata
from harvester.ledger.sqlite.connection import (
    damaged_error,
    driver_connection,
    explain,
    ledger_errors,
    reading_connection,
    writing_engine,
)
from harvester.ledger.sqlite.file_copy import copy_file
from harvester.support.atomic_write import sync_folder
from harvester.support.sanitize import shown

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger(__name__)

REVISION = "0008"
"""The migration that this program works with; equal to the newest one, by test."""

COPYING = "copying "
"""The prefix of the version of an unfinished copy: see harvester/ledger/copy.py."""

APPLICATION_ID = 0x48525653
"""Marks the file as a ledger ("HRVS"): SQLite keeps it in the header, `file` and `sqlite3` show it."""


_FIRST_PAGE_BYTES = 4096


def migrations_folder() -> Path:
    """The folder of the migrations: inside an installed package, next to it in a checkout."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def prepare(path: Path) -> None:
    """Create the ledger, or bring it up to date. Safe to repeat, and for two processes at once.

    Raises LedgerUnusable where the file is something else, or was written by a newer harvester.
    """
    if not path.parent.is_dir():
        raise LedgerUnusable(
            f"There is no folder {shown(str(path.parent))} for it.", next_step="Make it, or set ledger.url."
        )
    if path.exists() and not path.is_file():
        raise LedgerUnusable(
            f"{shown(str(path))} is not a file.", state="It was left as it is.", next_step="Set ledger.url."
        )
    # Checked read-only first: opening it for writing would change the journal mode of a foreign database.
    if path.is_file() and not _was_being_made(path) and _found(path) == REVISION:
        _remove_backup(path)
        return
    _make_file(path)
    with ledger_errors(path), driver_connection(writing_engine(path)) as (connection, driver):
        # A migration may rebuild a table that others refer to: foreign keys are checked at its end.
        driver.execute("PRAGMA foreign_keys = OFF")
        with connection.begin():
            _bring_up_to_date(connection, driver, path)
    _remove_backup(path)


def check(path: Path) -> None:
    """Raise LedgerUnusable, with what to do, where there is no ledger or not one that this program works with."""
    if not path.is_file():
        what = f"{shown(str(path))} is not a file." if path.exists() else f"There is no ledger at {shown(str(path))}."
        raise LedgerUnusable(what, next_step="Run harvester init to create it, then harvester load SOURCE.")
    found = _found(path)
    if found is None:
        raise LedgerUnusable(f"The ledger {shown(str(path))} is empty.", next_step="Run harvester init to prepare it.")
    refuse_older(found, shown(path.name))


def _bring_up_to_date(connection: Connection, driver: sqlite3.Connection, path: Path) -> None:
    found = _revision(driver, path)
    if found == REVISION:
        return
    if found is not None:
        # Under the write lock: nobody changes the ledger between the copy and the migration.
        _back_up(path, found)
    migrate(connection)
    driver.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    if driver.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise LedgerDamaged(
            f"The ledger {shown(path.name)} has rows that refer to others that are not there.",
            state="It was left as it is, at its older version.",
            next_step="Restore it from a backup.",
        )


def _make_file(path: Path) -> None:
    """Create the file for its owner alone, since it holds data fetched with their key. WAL files get its mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise LedgerUnusable(
            f"The ledger {shown(str(path))} cannot be written: {error.strerror}.",
            state="Nothing was changed.",
            next_step="Fix the permissions of the file and of its folder, or set ledger.url.",
        ) from error


def _found(path: Path) -> str | None:
    """The migration that the file is at. Reads only."""
    _refuse_where_only_the_wal_is_left(path)
    with ledger_errors(path), reading_connection(path) as db:
        return _revision(db, path)


def _was_being_made(path: Path) -> bool:
    """Whether the file was being made when that was cut off, before it held anything.

    SQLite undoes what was begun as soon as the file is opened for writing; until then it cannot be read.
    """
    if path.stat().st_size > _FIRST_PAGE_BYTES or _size(path.with_name(f"{path.name}-wal")):
        return False
    try:
        with path.with_name(f"{path.name}-journal").open("rb") as journal:
            header = journal.read(20)
    except OSError:
        return False
    # Bytes 16 to 19 of a journal: how many pages the database had before.
    return header[16:] == bytes(4)


def _revision(db: sqlite3.Connection, path: Path) -> str | None:
    """The migration that the file is at; None for a new file."""
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return None
    if "alembic_version" not in tables or "video_states" not in tables:
        raise LedgerUnusable(
            f"{shown(str(path))} is a database, but not a ledger.",
            state="It was left as it is.",
            next_step="Set ledger.url to another file.",
        )
    revision = next((version for (version,) in db.execute("SELECT version_num FROM alembic_version")), None)
    return known_revision(revision, shown(path.name), tables, partial(damaged_error, path))


def known_revision(
    revision: str | None, name: str, tables: Collection[str], damaged_error: Callable[[str], LedgerDamaged]
) -> str:
    """The version of a ledger with these tables, which this program knows or can upgrade. Raises for any other."""
    if revision is None:
        raise damaged_error("it does not say its version")
    if revision.startswith(COPYING):
        raise LedgerUnusable(
            f"{name} is a copy that was cut off.",
            state="It was left as it is.",
            next_step="Run harvester ledger copy again, with the same two places: it continues where it stopped.",
        )
    known = {file.name[:4] for file in (migrations_folder() / "versions").glob("[0-9]*.py")}
    if revision != REVISION and revision not in known:
        by = "by a newer harvester" if revision > REVISION else "by another harvester"
        raise LedgerUnusable(
            f"The ledger {name} was written {by} (version {revision}; this one knows {REVISION}).",
            state="It was left as it is.",
            next_step="Upgrade harvester.",
        )
    if revision == REVISION and (lost := set(metadata.tables) - set(tables)):
        raise damaged_error(f"its table {min(lost)} is not there")
    return revision


def refuse_older(revision: str, name: str) -> None:
    """Raise LedgerUnusable if the ledger is of an older version."""
    if revision != REVISION:
        raise LedgerUnusable(
            f"The ledger {name} is of an older version ({revision}; this harvester works with {REVISION}).",
            state="It was left as it is.",
            next_step="Run harvester init to bring it up to date.",
        )


def _refuse_where_only_the_wal_is_left(path: Path) -> None:
    """Refuse an empty file that has a WAL: SQLite would discard the WAL, which may be the last of a ledger."""
    # In this order: while another process makes the ledger, it has its first page before it has a WAL.
    if _size(path.with_name(f"{path.name}-wal")) and not _size(path):
        raise LedgerDamaged(
            f"The ledger {shown(path.name)} is empty, but the {shown(path.name)}-wal next to it is not.",
            state="Both were left as they are.",
            next_step=f"Restore {shown(path.name)} from a backup; to begin a new ledger, remove both.",
        )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def migrate(connection: Connection) -> None:
    """Run the missing migrations within the open transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


# --- the backup


def backup_of(path: Path) -> Path:
    """The path of the backup, which exists from before a migration begins until it has committed."""
    return path.with_name(f"{path.name}.before-{REVISION}")


def _back_up(path: Path, found: str) -> None:
    """Copy the ledger, whole and on disk, or raise and leave no half copy. Replaces an earlier copy."""
    backup = backup_of(path)
    draft = _draft_of(backup)
    try:
        _remove(draft)
        copy_file(path, draft)
        _remove(backup)
        draft.replace(backup)
        sync_folder(backup.parent)
    except (OSError, sqlite3.Error) as error:
        raise _no_backup(error, path) from error
    finally:
        _remove(draft)
    log.info("%s is at version %s: copied to %s, bringing it to %s", path.name, found, backup.name, REVISION)


def _no_backup(error: OSError | sqlite3.Error, path: Path) -> HarvesterError:
    if isinstance(error, sqlite3.DatabaseError):
        explained = explain(error, path)
        if not isinstance(explained, LedgerUnavailable):
            return explained
    if isinstance(error, PermissionError):
        return LedgerUnusable(
            f"The ledger {shown(path.name)} was not brought up to date, since it cannot be copied: {error.strerror}.",
            state="It was left as it is, at its older version.",
            next_step="Fix the permissions of its folder, then run harvester init again.",
        )
    reason = getattr(error, "strerror", None) or error
    return LedgerUnavailable(
        f"The ledger {shown(path.name)} was not brought up to date, since it cannot be copied first: {reason}.",
        state="It was left as it is, at its older version.",
        next_step="Make room on its disk, then run harvester init again.",
    )


def _remove_backup(path: Path) -> None:
    """Remove the backup: the ledger is up to date, and that is on disk."""
    backup = backup_of(path)
    for file in (backup, _draft_of(backup)):
        if file.exists():
            _remove(file)
            log.info("%s is at version %s: removed %s", path.name, REVISION, file.name)


def _draft_of(backup: Path) -> Path:
    return backup.with_name(f"{backup.name}.draft")


def _remove(database: Path) -> None:
    """Remove a database, and the files that SQLite left next to it, which would count as part of the next copy."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            database.with_name(database.name + suffix).unlink()
