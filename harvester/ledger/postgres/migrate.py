"""Create a ledger in a PostgreSQL database, or bring one up to date: each migration is one transaction.

The tables are in the schema where that user's tables go. No copy is made before: a migration that fails or is
interrupted leaves everything as it was. For backups use `harvester ledger backup` or pg_dump.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection, inspect, text

from harvester.errors import LedgerUnusable
from harvester.ledger.postgres import statements as sql
from harvester.ledger.postgres.connection import damaged_error, ledger_errors, writing_engine
from harvester.ledger.schema import metadata
from harvester.ledger.sqlite.migrate import REVISION, known_revision, migrate, refuse_older
from harvester.support.addresses import name_of


def prepare(url: str) -> None:
    """Create the ledger, or bring it up to date. Safe to repeat, and for two processes at once.

    Raises LedgerUnusable where tables of those names are something else, or were written by a newer harvester.
    """
    with _connection(url) as connection, connection.begin():
        connection.exec_driver_sql(sql.LOCK_UNTIL_COMMIT, {"what": sql.MIGRATING})
        if _found(connection, url) != REVISION:
            migrate(connection)


def check(url: str) -> None:
    """Raise LedgerUnusable, with what to do, where there is no ledger or not one that this program works with."""
    with _connection(url) as connection:
        found = _found(connection, url)
    if found is None:
        raise LedgerUnusable(
            f"There is no ledger in {name_of(url)}.",
            next_step="Run harvester init to create it, then harvester load SOURCE.",
        )
    refuse_older(found, name_of(url))


def may_write(url: str) -> bool:
    """Whether this user may change the ledger's tables."""
    with _connection(url) as connection:
        asked = [f"has_table_privilege('{table}', 'INSERT, UPDATE')" for table in metadata.tables]
        return bool(connection.scalar(text(f"SELECT {' AND '.join(asked)}")))


def risk(url: str) -> str | None:
    """The setting of the server, if any, that could lose committed data."""
    with _connection(url) as connection:
        off = [name for name in ("fsync", "full_page_writes") if connection.scalar(text(f"SHOW {name}")) == "off"]
    return f"the server runs with {off[0]} = off" if off else None


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    engine = writing_engine(url)
    try:
        with ledger_errors(url), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _found(connection: Connection, url: str) -> str | None:
    """The migration that the ledger is at; None where there is no ledger yet."""
    name = name_of(url)
    there = set(inspect(connection).get_table_names())
    ours = there & {*metadata.tables, "alembic_version"}
    if not ours:
        return None
    if not {"alembic_version", "video_states"} <= ours:
        raise LedgerUnusable(
            f"{name} has a table {min(ours)}, but is not a ledger.",
            state="It was left as it is.",
            next_step="Set ledger.url to another database, or to a schema: ?options=-csearch_path%3Dharvester",
        )
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return known_revision(revision, name, there, partial(damaged_error, url))
