"""The ledger's tests on PostgreSQL: one server for all of them, a database for each that runs at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import psycopg
from ledger_kit import DATABASES, Alive, Dump
from postgres_server import the_server

from harvester.ledger.ledger import Ledger
from harvester.ledger.postgres.reader import PostgresReader
from harvester.ledger.postgres.transaction import unescaped
from harvester.ledger.postgres.transaction_runner import PostgresTransactionRunner
from harvester.ledger.schema import metadata


class PostgresDatabase:
    def __init__(self, _folder: Path | None = None) -> None:
        self.url, self._db = the_server().lend()
        self._spoiled = False

    def ledger(self, alive: Alive) -> Ledger:
        return Ledger(PostgresTransactionRunner(self.url), alive)

    def reader(self) -> PostgresReader:
        return PostgresReader(self.url)

    def dump(self) -> Dump:
        names = [*metadata.tables, "alembic_version"]
        dump = {name: self._db.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}
        dump["commit_tokens"] = []  # each transaction counts there, also one that changes nothing
        dump["videos"] = [(row[0], unescaped(row[1]), *row[2:]) for row in dump["videos"]]
        return dump

    def damage(self, statement: str, values: Sequence[object] = ()) -> None:
        statement = statement.replace("zeroblob(", "rpad('', ").replace("?", "%s")
        statement = re.sub(r"(rpad\(''[^)]*)\)", r"convert_to(\1, '0'), 'UTF8')", statement)
        statement = statement.replace("x'00'", r"'\x00'::bytea")
        self._db.execute("SET session_replication_role = replica")  # no foreign keys
        try:
            changed = self._db.execute(statement, values).rowcount
        except psycopg.errors.CheckViolation as error:
            # It can't be had back for a moment: the rows would be checked again.
            self._spoiled = True
            self._db.execute(f"ALTER TABLE {error.diag.table_name} DROP CONSTRAINT {error.diag.constraint_name}")
            changed = self._db.execute(statement, values).rowcount
        assert changed > 0

    def close(self) -> None:
        if self._spoiled:
            self._db.close()
        else:
            the_server().take_back(self.url, self._db)


DATABASES["postgres"] = PostgresDatabase
