"""Runs the transactions of a process, for either database: one thread that writes, and snapshots to read."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeAlias, TypeVar

from harvester.ledger.queries import AnyQuery, AnyRow
from harvester.ledger.transactions.transaction import Transaction
from harvester.support.batching_thread import BatchingThread, Done

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

MAX_AT_ONCE = 64
"""The most transactions that share a commit: they may keep another process from writing for a tenth of a second."""

Transactions: TypeAlias = Callable[[Transaction, Sequence[Any]], Sequence[Any]]
"""Runs the transaction of each item, and returns their results."""


class Job(NamedTuple):
    """An item, and the function that runs its transaction."""

    transactions: Transactions
    item: Any


class TransactionRunner(ABC):
    """Runs whole transactions one after another in one thread, and reads concurrently.

    Transactions that wait at the same time share one commit, and so one wait for the disk. Each gets its result after
    the commit; if one of them fails, all are rolled back and each is run again by itself.
    """

    unclosed: dict[int, str]
    """Runs of this process that could not be closed, with the reasons why they had ended."""
    return_seconds: float = 0.0
    """How long a run may be without a connection after a restart of the server."""

    def __init__(self) -> None:
        self._waiting_stopped = threading.Event()
        self._batching_thread: BatchingThread[Job, Any] = BatchingThread("ledger-writer", self._run, MAX_AT_ONCE)

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
    async def read(self, *queries: AnyQuery) -> list[Sequence[AnyRow]]:
        """The rows of each query, all from one snapshot."""

    def stop_waiting(self) -> None:
        """Stop waiting, from now on, for a server that is away or for a lock of another process."""
        self._waiting_stopped.set()

    async def release_run_lock(self, run_id: int) -> None:  # noqa: B027 (there is none in SQLite)
        """Release the lock that marks the run as alive, where there is one: see `Transaction.lock_run`."""

    async def close(self) -> None:
        """Wait for the transactions under way, then close all connections."""
        await self._batching_thread.close(self._disconnect)

    def as_written(self, text: str) -> str:
        """The form in which this database stores an id or an invalid text."""
        return text

    def as_given(self, text: str) -> str:
        """The text that is stored in that form: the inverse of `as_written`."""
        return text

    @abstractmethod
    def _errors(self) -> AbstractContextManager[None]:
        """Turn the database's errors into harvester's."""

    # --- in the thread

    @abstractmethod
    def _disconnect(self) -> None: ...

    @abstractmethod
    def _transaction(self, jobs: int) -> AbstractContextManager[Transaction]:
        """A transaction that so many jobs share: committed at the end, rolled back where anything is raised."""

    def _run(self, jobs: Sequence[Job]) -> list[Done[Any]]:
        """Run all of these jobs in one transaction, those of the same function together; or raise and run none."""
        alike: dict[Transactions, list[int]] = {}
        for place, job in enumerate(jobs):
            alike.setdefault(job.transactions, []).append(place)
        done: list[Done[Any]] = [Done()] * len(jobs)
        with self._transaction(len(jobs)) as tx:
            for transactions, places in alike.items():
                results = transactions(tx, [jobs[place].item for place in places])
                for place, result in zip(places, results, strict=True):
                    done[place] = Done(result)
            tx.flush_counts()
        return done
