"""Fresh ledgers in SQLite without Alembic's part in them, which takes ten times as long as SQLite's.

The root conftest puts `replay` in the place of `migrate.migrate`, for the tests' own process.
`harvester.ledger.sqlite.migrate.prepare` does all else as ever: the file, the lock, the one transaction. What it
executes is what Alembic's migrations left in a ledger, by test. Where something is to be migrated, in a process of its
own, and in tests/migrations, it is Alembic.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Connection, create_engine

from harvester.ledger.sqlite import migrate

by_alembic = migrate.migrate
_folder = migrate.migrations_folder


def replay(connection: Connection) -> None:
    """What `migrate.migrate` does, for a ledger that is empty so far."""
    usual = connection.dialect.name == "sqlite" and migrate.migrations_folder is _folder
    if not usual or connection.exec_driver_sql("SELECT EXISTS (SELECT 1 FROM sqlite_master)").scalar():
        by_alembic(connection)
        return
    for statement, rows in _recorded():
        for row in rows:
            connection.exec_driver_sql(statement, row)


@cache
def _recorded() -> list[tuple[str, Sequence[tuple[object, ...]]]]:
    """The statements that make a ledger, each with the values it is executed with, once each."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        by_alembic(connection)
        made = connection.exec_driver_sql("SELECT type, name, sql FROM sqlite_master WHERE sql <> '' ORDER BY rowid")
        objects = made.fetchall()
        statements: list[tuple[str, Sequence[tuple[object, ...]]]] = [(sql, [()]) for _, _, sql in objects]
        for name in [name for kind, name, _ in objects if kind == "table"]:
            rows = [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {name}")]
            places = ", ".join("?" * len(rows[0])) if rows else ""
            statements.append((f"INSERT INTO {name} VALUES ({places})", rows))
    engine.dispose()
    return statements
