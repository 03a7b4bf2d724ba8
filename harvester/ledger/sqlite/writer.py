"""The thread that writes a SQLite ledger, since a connection shared by tasks would mix their transactions."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harvester.ledger.group_commit import GroupCommit, Job, run_all
from harvester.ledger.sqlite.connection import (
    LOCK_SECONDS,
    begin_writing,
    checkpoint,
    empty_wal,
    file_at,
    ledger_errors,
    replaced,
    wait_for_lock,
    writing_engine,
)
from harvester.ledger.sqlite.transaction import SqliteTransaction
from harvester.support.batching_thread import Done

CHECKPOINT_JOBS = 200
"""After so many transactions, 5 MB of bodies in a fast crawl, the WAL is taken into the file."""


class Writer(GroupCommit):
    """Group commit for SQLite: each transaction has the file's write lock from its beginning to its end.

    The WAL is taken into the file in a thread of its own, beside the next transactions.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._waiting_stopped = threading.Event()
        self._engine = writing_engine(path)
        self._checkpoints = ThreadPoolExecutor(1, thread_name_prefix="ledger-checkpoints")
        self._jobs_since = 0
        self._pooled = self._batching_thread.in_thread(self._connect)

    def stop_waiting(self) -> None:
        """Stop waiting for the lock of another process."""
        self._waiting_stopped.set()

    async def release_run_lock(self, run_id: int) -> None:
        """Do nothing: in SQLite a run has no lock."""

    def _connect(self):  # type: ignore[no-untyped-def]
        with ledger_errors(self._path):
            pooled = self._engine.raw_connection()
            self._db: sqlite3.Connection = pooled.driver_connection  # type: ignore[assignment]
            wait_for_lock(self._db, LOCK_SECONDS)
        self._file = file_at(self._path)
        return pooled

    def _disconnect(self) -> None:
        self._checkpoints.shutdown()
        self._pooled.close()

    def _run(self, jobs: Sequence[Job]) -> list[Done[Any]]:
        with ledger_errors(self._path):
            begin_writing(self._db, self._waiting_stopped)
            try:
                done = run_all(SqliteTransaction(self._db), jobs)
                if file_at(self._path) != self._file:
                    raise replaced(self._path)
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite roll back by itself.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if file_at(self._path) != self._file:
                    empty_wal(self._db)
                raise
        self._jobs_since += len(jobs)
        if self._jobs_since >= CHECKPOINT_JOBS:
            self._jobs_since = 0
            self._checkpoints.submit(checkpoint, self._path)
        return done
