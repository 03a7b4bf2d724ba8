"""The one thread that writes: a connection shared by tasks would mix their transactions."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from harvester.ledger.connect import ledger_errors, writing_engine

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

MOST_AT_ONCE = 64
"""Transactions that may share a commit: as long as a tenth of a second, for another process that waits to write."""


Transactions: TypeAlias = Callable[[sqlite3.Connection, Sequence[Any]], Sequence[Any]]
"""Does for each item what is asked, and gives its result."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be done to an item, and who waits for it."""

    transactions: Transactions
    item: Any
    waiting: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Done:
    job: _Job
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Runs whole transactions, one after another, a hop away from the event loop.

    Those that wait at the same time share one commit, and so one wait for the disk. To each of them it is its own: its
    result is told after the commit, and where one of them fails, all are undone and each is run again by itself.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger-writer")
        self._engine = writing_engine(path)
        self._pooled = self._thread.submit(self._connect).result()
        self._jobs: deque[_Job] = deque()
        self._at_work = False
        self._lock = threading.Lock()

    async def run(
        self, transaction: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The transaction's result, once it is committed. A cancelled caller does not stop it halfway.

        It may be run twice, the first time undone, so it must do nothing but read and write the database.
        """
        return await self.run_together(lambda db, _: [transaction(db, *args, **kwargs)], None)

    async def run_together(self, transactions: Callable[[sqlite3.Connection, Sequence[S]], Sequence[T]], item: S) -> T:
        """As `run`, of a function that does for many items at once what it does for one: it is given all that wait.

        Each item is a transaction of its own to whoever asks: where one fails, each is done again by itself.
        """
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[T] = loop.create_future()
        with self._lock:
            self._jobs.append(_Job(transactions, item, waiting))
            begin, self._at_work = not self._at_work, True
        if begin:
            self._thread.submit(self._work, loop)
        return await waiting

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

    # --- in the thread

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """Until nothing waits."""
        while jobs := self._take():
            done = self._commit(jobs)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_tell, done)

    def _take(self) -> list[_Job]:
        with self._lock:
            jobs = [self._jobs.popleft() for _ in range(min(MOST_AT_ONCE, len(self._jobs)))]
            self._at_work = bool(jobs)
            return jobs

    def _commit(self, jobs: Sequence[_Job]) -> list[_Done]:
        try:
            return self._run(jobs)
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is raised where the transaction is awaited)
            if len(jobs) == 1:
                return [_Done(jobs[0], error=error)]
            return [done for job in jobs for done in self._commit([job])]

    def _run(self, jobs: Sequence[_Job]) -> list[_Done]:
        with ledger_errors(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                done = [one for alike in _alike(jobs) for one in self._run_alike(alike)]
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite roll back by itself.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            return done

    def _run_alike(self, jobs: Sequence[_Job]) -> list[_Done]:
        results = jobs[0].transactions(self._db, [job.item for job in jobs])
        return [_Done(job, result) for job, result in zip(jobs, results, strict=True)]


def _alike(jobs: Sequence[_Job]) -> Iterable[Sequence[_Job]]:
    """Those that the same function does, together, in the order of the first of each."""
    by_function: dict[Transactions, list[_Job]] = {}
    for job in jobs:
        by_function.setdefault(job.transactions, []).append(job)
    return by_function.values()


def _tell(done: Sequence[_Done]) -> None:
    for one in done:
        if one.job.waiting.done():
            continue  # cancelled meanwhile
        if one.error is not None:
            one.job.waiting.set_exception(one.error)
        else:
            one.job.waiting.set_result(one.result)
