"""A ledger in PostgreSQL: writes through one thread and connection, reads beside them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from harvester.errors import LedgerUnavailable
from harvester.ledger.connector import Connector
from harvester.ledger.postgres.connection import ledger_errors, reading_engine
from harvester.ledger.postgres.texts import escaped, unescaped
from harvester.ledger.postgres.writer import RETURN_SECONDS, PostgresWriter
from harvester.ledger.queries import AnyQuery, AnyRow

_PAUSE_SECONDS = 0.2


class PostgresConnector(Connector):
    """The connection to a ledger in PostgreSQL, which must exist and be up to date: see `migrate.prepare`."""

    def __init__(self, url: str, return_seconds: float = RETURN_SECONDS) -> None:
        self._url = url
        self.return_seconds = return_seconds
        self.unclosed = {}  # none for others: a run is dead when its connection is
        self.writer = PostgresWriter(url, return_seconds)
        self._reader = reading_engine(url)

    async def read(self, *queries: AnyQuery) -> list[Sequence[AnyRow]]:
        return await asyncio.to_thread(self.read_all, queries)

    def read_all(self, queries: Sequence[AnyQuery]) -> list[Sequence[AnyRow]]:
        """Read in this thread, and try to reconnect to a server that is gone, as when writing."""
        give_up_at = time.monotonic() + self.return_seconds
        while True:
            try:
                with ledger_errors(self._url), self._reader.connect() as connection:
                    return [connection.execute(query).all() for query in queries]
            except LedgerUnavailable:
                if time.monotonic() >= give_up_at:
                    raise
                time.sleep(_PAUSE_SECONDS)

    async def close(self) -> None:
        await self.writer.close()
        self._reader.dispose()

    def as_written(self, text: str) -> str:
        return escaped(text)

    def as_given(self, text: str) -> str:
        return unescaped(text)
