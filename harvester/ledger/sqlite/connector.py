"""A ledger in one SQLite file: writes through one thread, reads beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harvester.ledger.connector import Connector
from harvester.ledger.queries import AnyQuery, AnyRow
from harvester.ledger.sqlite.connection import async_reading_engine, ledger_errors
from harvester.ledger.sqlite.writer import Writer

# Closing a run fails on a full disk, say. Recovery sees its process alive, so nobody else would give its claims back
# while that lives.
_UNCLOSED: dict[Path, dict[int, str]] = {}


class SqliteConnector(Connector):
    """The connection to a ledger in a SQLite file, which must exist and be up to date: see `migrate.prepare`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.unclosed = _UNCLOSED.setdefault(path, {})
        self.writer = Writer(path)
        self._reader = async_reading_engine(path)

    async def read(self, *queries: AnyQuery) -> list[Sequence[AnyRow]]:
        with ledger_errors(self._path):
            async with self._reader.connect() as connection:
                return [(await connection.execute(query)).all() for query in queries]

    async def close(self) -> None:
        await self.writer.close()
        await self._reader.dispose()
