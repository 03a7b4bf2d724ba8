"""Creating a ledger, and bringing one up to date: Alembic's migrations, each run one transaction."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from harvester.errors import LedgerUnusable
from harvester.ledger.connect import ledger_errors, reading_engine, writing_engine

REVISION = "0001"
"""The migration that this program works with; equal to the newest one, by test."""

APPLICATION_ID = 0x48525653
"""Marks the file as a ledger ("HRVS"): SQLite keeps it in the header, `file` and `sqlite3` show it."""


def migrations_folder() -> Path:
    """Inside the package where it was installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def prepare(path: Path) -> None:
    """Create the ledger, or bring it up to date. Safe to repeat, and for two processes at once.

    Raises LedgerUnusable where the file is something else, or was written by a newer harvester.
    """
    if not path.parent.is_dir():
        raise LedgerUnusable(f"There is no folder {path.parent} for it.", next_step="Make it, or set ledger.url.")
    # Looked at before it is touched: opening it for writing would change the journal mode of a foreign database.
    if path.exists() and _found(path) == REVISION:
        return
    _make_file(path)
    with ledger_errors(path):
        engine = writing_engine(path)
        try:
            with engine.begin() as connection:
                if _revision(connection.connection.driver_connection, path) != REVISION:
                    _migrate(connection)
                    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        finally:
            engine.dispose()


def check(path: Path) -> None:
    """Raise LedgerUnusable, with what to do, where there is no ledger or not one that this program works with."""
    if not path.is_file():
        raise LedgerUnusable(
            f"There is no ledger at {path}.", next_step="harvester init makes it, harvester load fills it."
        )
    found = _found(path)
    if found is None:
        raise LedgerUnusable(f"The ledger {path} is empty.", next_step="harvester init prepares it.")
    if found != REVISION:
        raise LedgerUnusable(
            f"The ledger {path.name} is of an older version ({found}; this harvester works with {REVISION}).",
            state="It was left as it is.",
            next_step="harvester init brings it up to date.",
        )


def _make_file(path: Path) -> None:
    """The owner's alone: it holds what the API gave to their key. The WAL files take after it."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise LedgerUnusable(
            f"The ledger {path} cannot be written: {error.strerror}.",
            state="Nothing was changed.",
            next_step="Mend the permissions of the file and of its folder, or set ledger.url.",
        ) from error


def _found(path: Path) -> str | None:
    """The migration the file is at, without writing to it."""
    engine = reading_engine(path)
    try:
        with ledger_errors(path), engine.connect() as connection:
            return _revision(connection.connection.driver_connection, path)
    finally:
        engine.dispose()


def _revision(db: object, path: Path) -> str | None:
    """The migration the file is at, None for a new file."""
    assert isinstance(db, sqlite3.Connection)
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return None
    if "alembic_version" not in tables or "video_states" not in tables:
        raise LedgerUnusable(
            f"{path} is a database, but not a ledger.",
            state="It was left as it is.",
            next_step="Set ledger.url to another file.",
        )
    (revision,) = db.execute("SELECT version_num FROM alembic_version").fetchone()
    known = {file.name[:4] for file in (migrations_folder() / "versions").glob("[0-9]*.py")}
    if revision not in known:
        raise LedgerUnusable(
            f"The ledger {path.name} was written by a newer harvester (version {revision}; this one knows {REVISION}).",
            state="It was left as it is.",
            next_step="Upgrade harvester.",
        )
    return str(revision)


def _migrate(connection: object) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
