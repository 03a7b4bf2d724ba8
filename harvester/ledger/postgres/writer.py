"""The thread that writes a PostgreSQL ledger, through one connection: the runs' own, whose end is their death."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors

from harvester.errors import LedgerUnavailable
from harvester.hop import Done
from harvester.ledger.postgres import statements as sql
from harvester.ledger.postgres.connect import connect_for_writing, explain, ledger_errors
from harvester.ledger.postgres.transaction import Transaction
from harvester.ledger.together import GroupWriter, Job, run_all

log = logging.getLogger(__name__)

RETURN_SECONDS = 60.0
"""How long to look for a server that is gone; so long a run whose connection was cut is not taken for dead after a
restart of the server."""
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0
_MOST_COLLISIONS = 5


class _InDoubt(Exception):
    """The connection broke before the answer to a commit: of which transaction, when it began by the monotonic clock,
    and what it did if it was made."""

    def __init__(self, transaction: str, began: float, done: list[Done[Any]]) -> None:
        self.transaction = transaction
        self.began = began
        self.done = done


class PostgresWriter(GroupWriter[Transaction]):
    """See `GroupWriter`. A connection that breaks is made anew, and what was under way is done again, once."""

    def __init__(self, url: str, return_seconds: float = RETURN_SECONDS) -> None:
        super().__init__()
        self._url = url
        self._return_seconds = return_seconds
        self._runs: set[int] = set()
        self._given_up = False
        with ledger_errors(url):
            self._db = self._hop.in_thread(lambda: connect_for_writing(url))

    def hold(self, run_id: int) -> None:
        """Hold the run's lock on every connection from now on."""
        self._runs.add(run_id)

    async def let_go(self, run_id: int) -> None:
        if run_id in self._runs:
            self._runs.remove(run_id)
            await self.run(lambda tx: tx.row(sql.LET_GO, locks=sql.LOCKS, run_id=run_id))

    # --- in the thread

    def _disconnect(self) -> None:
        self._db.close()

    def _run(self, jobs: Sequence[Job]) -> list[Done[Any]]:
        with ledger_errors(self._url):
            for _ in range(_MOST_COLLISIONS):
                try:
                    return self._once(jobs)
                except (errors.DeadlockDetected, errors.SerializationFailure):
                    log.debug("a transaction collided with another: it is done again")
            return self._once(jobs)

    def _once(self, jobs: Sequence[Job]) -> list[Done[Any]]:
        """The transaction, again where the connection breaks, but never twice."""
        while True:
            try:
                return self._try(jobs)
            except _InDoubt as doubt:
                self._return_to_server(doubt.__cause__)
                if self._was_committed(doubt):
                    return doubt.done
            except psycopg.Error as error:
                if not self._db.closed:
                    raise
                self._return_to_server(error)

    def _try(self, jobs: Sequence[Job]) -> list[Done[Any]]:
        tx, began = Transaction(self._db), time.monotonic()
        try:
            tx.later(sql.BEGIN)
            done = run_all(tx, jobs)
            tx.post()
            transaction = tx.value(sql.TRANSACTION_ID)
        except BaseException:
            if not self._db.closed:
                with suppress(psycopg.Error):  # the error that matters is the one that led here
                    self._db.execute("ROLLBACK")
            raise
        try:
            self._db.execute("COMMIT")
        except psycopg.OperationalError as error:
            if not self._db.closed or transaction is None:
                raise
            raise _InDoubt(transaction, began, done) from error
        return done

    def _was_committed(self, doubt: _InDoubt) -> bool:
        """Asks the server, which may still be ending the connection that broke."""
        while True:
            asked = {"id": doubt.transaction, "seconds": time.monotonic() - doubt.began}
            try:
                row = self._db.execute(sql.OUTCOME.encode(), asked).fetchone()
            except errors.InvalidParameterValue:  # a number that it has not given yet
                return False
            except psycopg.Error as error:
                if not self._db.closed:
                    raise
                self._return_to_server(error)
                continue
            if row is None or row[0] != "in progress":
                return row is not None and row[0] == "committed"
            time.sleep(_FIRST_PAUSE_SECONDS)

    def _return_to_server(self, broken: BaseException | None) -> None:
        """A new connection that holds the runs' locks, or LedgerUnavailable where the server stays away."""
        # Once given up, it is tried once for each of those who wait, to let a run end in good time.
        give_up_at = time.monotonic() + (0 if self._given_up else self._return_seconds)
        pause = _FIRST_PAUSE_SECONDS
        log.warning("the connection to the ledger broke: %s", str(broken).strip().splitlines()[0] if broken else "")
        while True:
            try:
                self._db = connect_for_writing(self._url)
                for run_id in self._runs:
                    self._db.execute(sql.HOLD, {"locks": sql.LOCKS, "run_id": run_id})
            except psycopg.Error as error:
                if time.monotonic() >= give_up_at:
                    self._given_up = True
                    explained = explain(error, self._url)
                    raise explained if isinstance(explained, LedgerUnavailable) else error from error
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                self._given_up = False
                log.warning("connected to the ledger again")
                return
