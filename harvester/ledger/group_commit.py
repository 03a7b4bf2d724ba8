"""The one thread that writes, for either database: transactions that wait together share a commit."""

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

MAX_AT_ONCE = 64
"""Most transactions that share a commit: they may keep another process from writing for a tenth of a second."""

Transactions: TypeAlias = Callable[[Transaction, Sequence[Any]], Sequence[Any]]
"""Runs the transaction of each item, and returns their results."""


@dataclass(frozen=True, slots=True)
class Job:
    """An item, and the function that runs its transaction."""

    transactions: Transactions
    item: Any


class GroupCommit(ABC):
    """Runs whole transactions, one after another, in a thread of their own.

    Transactions that wait at the same time share one commit, and so one wait for the disk. Each gets its result after
    the commit; if one of them fails, all are rolled back and each is run again by itself.
    """

    def __init__(self) -> None:
        self._batching_thread: BatchingThread[Job, Any] = BatchingThread("ledger-writer", self._commit, MAX_AT_ONCE)

    def run(
        self, transaction: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]:
        """Run a transaction. Returns its result once it is committed; a cancelled caller does not stop it halfway.

        `transaction` may run twice, the first time rolled back, so it must only read and write the database.
        """
        return self.run_together(lambda tx, _: [transaction(tx, *args, **kwargs)], None)

    def run_together(
        self, transactions: Callable[[Transaction, Sequence[S]], Sequence[T]], item: S
    ) -> Coroutine[Any, Any, T]:
        """As `run`, for a function that takes all waiting items at once.

        Each item is a transaction of its own to its caller: if one fails, each is run again by itself.
        """
        return self._batching_thread(Job(transactions, item))

    @abstractmethod
    def stop_waiting(self) -> None:
        """Stop waiting, from now on, for a server that is away or for a lock of another process."""

    @abstractmethod
    async def release_run_lock(self, run_id: int) -> None:
        """Release the lock that marks the run as alive: see `Transaction.lock_run`."""

    async def close(self) -> None:
        """Wait for what is under way, then close the connection."""
        await self._batching_thread.close(self._disconnect)

    # --- in the thread

    @abstractmethod
    def _disconnect(self) -> None: ...

    @abstractmethod
    def _run(self, jobs: Sequence[Job]) -> list[Done[Any]]:
        """Run all of these jobs in one transaction, or raise and run none of them."""

    def _commit(self, jobs: Sequence[Job]) -> list[Done[Any]]:
        try:
            return self._run(jobs)
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is raised where the transaction is awaited)
            if len(jobs) == 1:
                return [Done(error=error)]
            return [done for job in jobs for done in self._commit([job])]


def run_all(tx: Transaction, jobs: Sequence[Job]) -> list[Done[Any]]:
    """Run the jobs within a transaction, without its commit; jobs of the same function run together."""
    results: list[Any] = [None] * len(jobs)
    for alike in _alike(jobs):
        items = [jobs[place].item for place in alike]
        for place, result in zip(alike, jobs[alike[0]].transactions(tx, items), strict=True):
            results[place] = result
    tx.flush_counts()
    return [Done(result) for result in results]


def _alike(jobs: Sequence[Job]) -> Iterable[Sequence[int]]:
    """The indexes of jobs grouped by function, in the order of the first of each."""
    by_function: dict[Transactions, list[int]] = {}
    for place, job in enumerate(jobs):
        by_function.setdefault(job.transactions, []).append(place)
    return by_function.values()
