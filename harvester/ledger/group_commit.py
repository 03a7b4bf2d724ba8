"""The one thread that writes, whatever the database: transactions that wait together share a commit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from harvester.ledger.transactions.transaction import Transaction
from harvester.support.batching_thread import BatchingThread, Done

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

MAX_AT_ONCE = 128
"""Transactions that may share a commit: as long as a tenth of a second, for another process that waits to write."""

Transactions: TypeAlias = Callable[[Transaction, Sequence[Any]], Sequence[Any]]
"""Does for each item what is asked, and gives its result."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done to an item."""

    transactions: Transactions
    item: Any


class GroupCommit(ABC):
    """Runs whole transactions, one after another, in a thread of their own.

    Those that wait at the same time share one commit, and so one wait for the disk. To each of them it is its own: its
    result is told after the commit, and where one of them fails, all are undone and each is run again by itself.
    """

    def __init__(self) -> None:
        self._batching_thread: BatchingThread[Job, Any] = BatchingThread("ledger-writer", self._commit, MAX_AT_ONCE)

    def run(
        self, transaction: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]:
        """The transaction's result, once it is committed. A cancelled caller does not stop it halfway.

        It may be run twice, the first time undone, so it must do nothing but read and write the database.
        """
        return self.run_together(lambda tx, _: [transaction(tx, *args, **kwargs)], None)

    def run_together(
        self, transactions: Callable[[Transaction, Sequence[S]], Sequence[T]], item: S
    ) -> Coroutine[Any, Any, T]:
        """As `run`, of a function that does for many items at once what it does for one: it is given all that wait.

        Each item is a transaction of its own to its caller: where one fails, each is done again by itself.
        """
        return self._batching_thread(Job(transactions, item))

    @abstractmethod
    def stop_waiting(self) -> None:
        """From now on, wait for no server that is away nor for a lock of another process."""

    @abstractmethod
    async def release_run_lock(self, run_id: int) -> None:
        """This process holds the run no more: see `Transaction.lock_run`."""

    async def close(self) -> None:
        """Wait for what is under way, then close the connection."""
        await self._batching_thread.close(self._disconnect)

    # --- in the thread

    @abstractmethod
    def _disconnect(self) -> None: ...

    @abstractmethod
    def _run(self, jobs: Sequence[Job]) -> list[Done[Any]]:
        """One transaction: all of these jobs, or an error and none of them."""

    def _commit(self, jobs: Sequence[Job]) -> list[Done[Any]]:
        try:
            return self._run(jobs)
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is raised where the transaction is awaited)
            if len(jobs) == 1:
                return [Done(error=error)]
            return [done for job in jobs for done in self._commit([job])]


def run_all(tx: Transaction, jobs: Sequence[Job]) -> list[Done[Any]]:
    """Within a transaction, all but its commit: those together that the same function does."""
    results: list[Any] = [None] * len(jobs)
    for alike in _alike(jobs):
        items = [jobs[place].item for place in alike]
        for place, result in zip(alike, jobs[alike[0]].transactions(tx, items), strict=True):
            results[place] = result
    tx.flush_counts()
    return [Done(result) for result in results]


def _alike(jobs: Sequence[Job]) -> Iterable[Sequence[int]]:
    """The places of those that the same function does, together, in the order of the first of each."""
    by_function: dict[Transactions, list[int]] = {}
    for place, job in enumerate(jobs):
        by_function.setdefault(job.transactions, []).append(place)
    return by_function.values()
