"""Runs transactions in a SQLite ledger, in one thread: a connection shared by tasks would mix their transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from harvester.ledger.queries import AnyQuery, AnyRow
from harvester.ledger.sqlite.connection import (
    LOCK_POLL_SECONDS,
    async_reading_engine,
    begin_writing,
    checkpoint,
    empty_wal,
    file_identity,
    ledger_errors,
    replaced_error,
    wait_for_lock,
    writing_engine,
)
from harvester.ledger.sqlite.transaction import SqliteTransaction
from harvester.ledger.transaction_runner import TransactionRunner

CHECKPOINT_JOBS = 200
"""Transactions between two checkpoints: 5 MB of bodies in a fast crawl."""

# Runs whose closing failed, for example on a full disk. While their process lives, recovery does not take back their
# claims.
_UNCLOSED: dict[Path, dict[int, str]] = {}


class SqliteTransactionRunner(TransactionRunner):
    """The connection to a ledger in a SQLite file, which must exist and be up to date: see `migrate.prepare`.

    Each transaction has the file's write lock from its beginning to its end. Checkpoints run in a thread of their own
    while the next transactions go on.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self.unclosed = _UNCLOSED.setdefault(path, {})
        self._engine = writing_engine(path)
        self._reader = async_reading_engine(path)
        self._checkpoints = ThreadPoolExecutor(1, thread_name_prefix="ledger-checkpoints")
        self._jobs_since = 0
        self._pooled = self._batching_thread.in_thread(self._connect)

    async def read(self, *queries: AnyQuery) -> list[Sequence[AnyRow]]:
        with self._errors():
            async with self._reader.connect() as connection:
                return [(await connection.execute(query)).all() for query in queries]

    async def close(self) -> None:
        await super().close()
        await self._reader.dispose()

    def _errors(self) -> AbstractContextManager[None]:
        return ledger_errors(self._path)

    def _connect(self):  # type: ignore[no-untyped-def]
        with self._errors():
            pooled = self._engine.raw_connection()
            self._db: sqlite3.Connection = pooled.driver_connection  # type: ignore[assignment]
            wait_for_lock(self._db, LOCK_POLL_SECONDS)
        self._file = file_identity(self._path)
        return pooled

    def _disconnect(self) -> None:
        self._checkpoints.shutdown()
        self._pooled.close()

    @contextmanager
    def _transaction(self, jobs: int) -> Iterator[SqliteTransaction]:
        with self._errors():
            begin_writing(self._db, self._waiting_stopped)
            try:
                yield SqliteTransaction(self._db)
                if file_identity(self._path) != self._file:
                    raise replaced_error(self._path)
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite roll back by itself.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if file_identity(self._path) != self._file:
                    empty_wal(self._db)
                raise
        self._jobs_since += jobs
        if self._jobs_since >= CHECKPOINT_JOBS:
            self._jobs_since = 0
            self._checkpoints.submit(checkpoint, self._path)
