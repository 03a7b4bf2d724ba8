"""The one thread that writes: a connection shared by tasks would mix their transactions."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from harvester.ledger.connect import ledger_errors, writing_engine

P = ParamSpec("P")
T = TypeVar("T")


class Writer:
    """Runs whole transactions, one after another, each one hop away from the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger-writer")
        self._engine = writing_engine(path)
        self._pooled = self._thread.submit(self._connect).result()

    async def run(
        self, transaction: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The transaction's result, once it is committed. A cancelled caller does not stop it halfway."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: self._run(transaction, *args, **kwargs))

    def _run(
        self, transaction: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        with ledger_errors(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                result = transaction(self._db, *args, **kwargs)
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite roll back by itself.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            return result

    async def close(self) -> None:
        """Wait for what is under way, then close the connection."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._pooled.close)
        self._thread.shutdown()

    def _connect(self):  # type: ignore[no-untyped-def]
        with ledger_errors(self._path):
            pooled = self._engine.raw_connection()
        self._db: sqlite3.Connection = pooled.driver_connection  # type: ignore[assignment]
        return pooled
