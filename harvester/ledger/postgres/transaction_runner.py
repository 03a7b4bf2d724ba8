"""Runs transactions in a PostgreSQL ledger, in one thread and through one connection; when that ends, its runs count
as dead.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import psycopg
from psycopg import errors

from harvester.errors import HarvesterError, LedgerUnavailable
from harvester.ledger.postgres import statements as sql
from harvester.ledger.postgres.connection import (
    connect_for_writing,
    ends_connection,
    explain,
    ledger_errors,
    reading_engine,
)
from harvester.ledger.postgres.transaction import PostgresTransaction, escaped, unescaped
from harvester.ledger.queries import AnyQuery, AnyRow
from harvester.ledger.transaction_runner import Job, TransactionRunner
from harvester.support.batching_thread import Done

log = logging.getLogger(__name__)

RETURN_SECONDS = 60.0
"""How long to try to reconnect to a server that is gone. For as long after a restart of the server, a run without a
connection does not count as dead."""
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0
_READING_PAUSE_SECONDS = 0.2
_MAX_COLLISIONS = 5


class _NotCommitted(Exception):
    """The connection broke at the commit, and nothing was committed."""


class _InDoubt(Exception):
    """The connection broke before the answer to a commit, and for `reason` nobody can tell whether it succeeded."""

    def __init__(self, reason: HarvesterError) -> None:
        self.reason = reason


class PostgresTransactionRunner(TransactionRunner):
    """The connection to a ledger in PostgreSQL, which must exist and be up to date: see `migrate.prepare`.

    When its connection breaks, it reconnects and runs the transaction under way again, once. Each transaction writes a
    token, the next number, into this runner's row of `commit_tokens`. Where the answer to a commit is lost, that row
    tells whether it succeeded.
    """

    def __init__(self, url: str, return_seconds: float = RETURN_SECONDS) -> None:
        super().__init__()
        self._url = url
        self.return_seconds = self._return_seconds = return_seconds
        self.unclosed = {}  # not shared: a run whose connection is gone counts as dead
        self._reader = reading_engine(url)
        self._runs: set[int] = set()
        self._id = secrets.token_hex(8)
        self._token = 0
        self._given_up = False
        with self._errors():
            self._db = self._batching_thread.in_thread(lambda: connect_for_writing(url))

    async def read(self, *queries: AnyQuery) -> list[Sequence[AnyRow]]:
        return await asyncio.to_thread(self.read_all, queries)

    def read_all(self, queries: Sequence[AnyQuery]) -> list[Sequence[AnyRow]]:
        """Read in this thread, and try to reconnect to a server that is gone, as when writing."""
        give_up_at = time.monotonic() + self.return_seconds
        while True:
            try:
                with self._errors(), self._reader.connect() as connection:
                    return [connection.execute(query).all() for query in queries]
            except LedgerUnavailable:
                if time.monotonic() >= give_up_at:
                    raise
                time.sleep(_READING_PAUSE_SECONDS)

    async def release_run_lock(self, run_id: int) -> None:
        if run_id in self._runs:
            self._runs.remove(run_id)
            await self.run(lambda tx: tx.row(sql.RELEASE_RUN_LOCK, run_id=run_id))

    def as_written(self, text: str) -> str:
        return escaped(text)

    def as_given(self, text: str) -> str:
        return unescaped(text)

    def _errors(self) -> AbstractContextManager[None]:
        return ledger_errors(self._url)

    # --- in the thread

    def _disconnect(self) -> None:
        with suppress(psycopg.Error):  # a row that stays is deleted by a later run
            self._db.execute(sql.DELETE_TOKEN.encode(), {"writer": self._id})
        self._db.close()
        self._reader.dispose()

    def _run(self, jobs: Sequence[Job]) -> list[Done[Any]]:
        with self._errors():
            for _ in range(_MAX_COLLISIONS):
                try:
                    return self._once(jobs)
                except (errors.DeadlockDetected, errors.SerializationFailure):
                    log.debug("a transaction collided with another: it is done again")
            return self._once(jobs)

    def _once(self, jobs: Sequence[Job]) -> list[Done[Any]]:
        """Run the transaction, and again if the connection breaks, but commit it only once."""
        while True:
            try:
                return super()._run(jobs)
            except _NotCommitted:
                continue
            except _InDoubt as doubt:
                # Not raised: each of several jobs would be tried again by itself, and might be done twice.
                return [Done(error=doubt.reason)] * len(jobs)
            except psycopg.Error as error:
                if not self._is_broken_by(error):
                    raise
                self._return_to_server(error)

    @contextmanager
    def _transaction(self, jobs: int) -> Iterator[PostgresTransaction]:
        tx = PostgresTransaction(self._db, self._runs)
        try:
            tx.later(sql.BEGIN)
            yield tx
            self._token += 1
            tx.change(sql.WRITE_TOKEN, writer=self._id, token=self._token)
        except BaseException:
            if not self._db.closed:
                with suppress(psycopg.Error):  # the error that matters is the one that led here
                    self._db.execute("ROLLBACK")
            raise
        try:
            self._db.execute(sql.COMMIT)
        except psycopg.Error as error:
            if not self._is_broken_by(error):
                raise
            self._look_up_commit(error)

    def _look_up_commit(self, broken: psycopg.Error) -> None:
        """Reconnect, and raise unless the transaction whose answer was lost was committed."""
        try:
            self._return_to_server(broken)
            committed = self._was_committed()
        except (psycopg.Error, LedgerUnavailable) as error:
            raise _InDoubt(explain(error, self._url) if isinstance(error, psycopg.Error) else error) from error
        if not committed:
            raise _NotCommitted

    def _is_broken_by(self, error: psycopg.Error) -> bool:
        """Whether `error` ended the connection, though this side may not have noticed yet."""
        return self._db.closed or ends_connection(error)

    def _was_committed(self) -> bool:
        """Whether the last transaction was committed; waits until the broken session has ended."""
        while True:
            try:
                row = self._db.execute(sql.LAST_TOKEN.encode(), {"writer": self._id}).fetchone()
            except psycopg.Error as error:
                if not self._is_broken_by(error):
                    raise
                self._return_to_server(error)
            else:
                return row == (self._token,)

    def _return_to_server(self, broken: BaseException | None) -> None:
        """Reconnect and take the runs' locks again. Raises LedgerUnavailable where the server stays away."""
        # Once given up, try once for each waiting transaction, so that a run ends in good time.
        give_up_at = time.monotonic() + (0 if self._given_up else self._return_seconds)
        pause = _FIRST_PAUSE_SECONDS
        log.warning("the connection to the ledger broke: %s", str(broken).strip().splitlines()[0] if broken else "")
        while True:
            self._db.close()
            try:
                self._db = connect_for_writing(self._url)
                for run_id in tuple(self._runs):
                    self._db.execute(sql.LOCK_RUN, {"run_id": run_id})
            except psycopg.Error as error:
                if self._waiting_stopped.is_set() or time.monotonic() >= give_up_at:
                    self._given_up = True
                    explained = explain(error, self._url)
                    raise explained if isinstance(explained, LedgerUnavailable) else error from error
                self._waiting_stopped.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                self._given_up = False
                log.warning("connected to the ledger again")
                return
