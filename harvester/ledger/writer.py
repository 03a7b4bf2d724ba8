"""The one thread that writes: a connection shared by tasks would mix their transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar, cast

from harvester.hop import Done, Hop
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
    """What is to be done to an item."""

    transactions: Transactions
    item: Any


class Writer:
    """Runs whole transactions, one after another, a hop away from the event loop.

    Those that wait at the same time share one commit, and so one wait for the disk. To each of them it is its own: its
    result is told after the commit, and where one of them fails, all are undone and each is run again by itself.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hop: Hop[_Job, Any] = Hop("ledger-writer", self._commit, MOST_AT_ONCE)
        self._engine = writing_engine(path)
        self._pooled = self._hop.in_thread(self._connect)

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
        return cast(T, await self._hop(_Job(transactions, item)))

    async def close(self) -> None:
        """Wait for what is under way, then close the connection."""
        await self._hop.close(self._pooled.close)

    def _connect(self):  # type: ignore[no-untyped-def]
        with ledger_errors(self._path):
            pooled = self._engine.raw_connection()
        self._db: sqlite3.Connection = pooled.driver_connection  # type: ignore[assignment]
        return pooled

    # --- in the thread

    def _commit(self, jobs: Sequence[_Job]) -> list[Done[Any]]:
        try:
            return self._run(jobs)
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is raised where the transaction is awaited)
            if len(jobs) == 1:
                return [Done(error=error)]
            return [done for job in jobs for done in self._commit([job])]

    def _run(self, jobs: Sequence[_Job]) -> list[Done[Any]]:
        with ledger_errors(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                done = self._run_all(jobs)
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite roll back by itself.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            return done

    def _run_all(self, jobs: Sequence[_Job]) -> list[Done[Any]]:
        results: list[Any] = [None] * len(jobs)
        for alike in _alike(jobs):
            items = [jobs[place].item for place in alike]
            for place, result in zip(alike, jobs[alike[0]].transactions(self._db, items), strict=True):
                results[place] = result
        return [Done(result) for result in results]


def _alike(jobs: Sequence[_Job]) -> Iterable[Sequence[int]]:
    """The places of those that the same function does, together, in the order of the first of each."""
    by_function: dict[Transactions, list[int]] = {}
    for place, job in enumerate(jobs):
        by_function.setdefault(job.transactions, []).append(place)
    return by_function.values()
