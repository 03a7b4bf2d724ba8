"""Open a ledger by its URL: the one module that knows both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester.errors import LedgerUnusable
from harvester.ledger.sqlite import migrate
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.support.addresses import file_of, name_of

if TYPE_CHECKING:
    from types import ModuleType

    from harvester.ledger.ledger import Ledger
    from harvester.ledger.postgres.reader import PostgresReader


def prepare(url: str) -> None:
    """Create the ledger, or bring it up to date. Safe to repeat."""
    if (file := file_of(url)) is not None:
        migrate.prepare(file)
    else:
        postgres("migrate", url).prepare(url)


def check(url: str) -> None:
    """Raise LedgerUnusable, with what to do, where there is no ledger or not one that this program works with."""
    if (file := file_of(url)) is not None:
        migrate.check(file)
    else:
        postgres("migrate", url).check(url)


def open_ledger(url: str) -> Ledger:
    """Open a ledger for writing, for use as a context manager. Raises as `check` does."""
    from harvester.ledger.ledger import Ledger

    check(url)
    if (file := file_of(url)) is not None:
        from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner

        return Ledger(SqliteTransactionRunner(file))
    return Ledger(postgres("transaction_runner", url).PostgresTransactionRunner(url))


def open_reader(url: str, snapshot: str | None = None) -> SqliteReader | PostgresReader:
    """Open a ledger for reading, for use as a context manager. Raises as `check` does.

    `snapshot`: read the one that another reader shares.
    """
    if snapshot is None:
        check(url)
    if (file := file_of(url)) is not None:
        return SqliteReader(file)
    reader: PostgresReader = postgres("reader", url).PostgresReader(url, snapshot)
    return reader


def postgres(module: str, url: str) -> ModuleType:
    """Import a module of the PostgreSQL ledger. Raises LedgerUnusable where the extra is not installed."""
    from importlib import import_module

    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise LedgerUnusable(
            f"The ledger {name_of(url)} needs PostgreSQL's client.",
            state="Nothing was changed.",
            next_step="Install the extra: pip install 'youtube-harvester[postgres]', "
            "or in a checkout pip install '.[postgres]'.",
        ) from None
    return import_module(f"harvester.ledger.postgres.{module}")
