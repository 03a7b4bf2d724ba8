"""Where a run is killed: named points in the real code, and anywhere."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from harvester.ledger.postgres import transaction_runner as on_server
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.ledger.transaction_runner import TransactionRunner
from harvester.ledger.transactions import claim, failed_calls, listings, settle
from harvester.youtube.client import YouTubeClient

Strike = Callable[[], None]


@dataclass(frozen=True)
class Death:
    """Killed at the `visit`-th time that `point` is passed."""

    point: str
    visit: int
    delay_seconds: float
    """For the points that last a while: how far into it."""

    def await_it(self) -> None:
        """Arm this process. Called in the child, before it begins to run."""
        POINTS[self.point](_Countdown(self).pass_by)


class _Countdown:
    def __init__(self, death: Death) -> None:
        self._left = death.visit
        self._delay_seconds = death.delay_seconds
        self._late = death.point in LASTING

    def pass_by(self) -> None:
        self._left -= 1
        if self._left == 0:
            if self._late:
                threading.Thread(target=self._die_later, daemon=True).start()
            else:
                _die()

    def _die_later(self) -> None:
        time.sleep(self._delay_seconds)
        _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _before_reserve(strike: Strike) -> None:
    _wrap(claim, "claim_all", before=strike)
    _wrap_transaction(listings.claim, before=strike)


def _between_reserve_and_send(strike: Strike) -> None:
    _wrap(YouTubeClient, "fetch", before=strike)


def _while_the_answer_arrives(strike: Strike) -> None:
    _wrap(YouTubeClient, "_get", before=strike)


def _between_answer_and_commit(strike: Strike) -> None:
    # what settling ends with; `settle_all` itself is looked up when the ledger is imported
    _wrap(settle, "_settle_ids", after=strike)
    _wrap(listings, "_settle", after=strike)


def _before_a_retry_is_paid(strike: Strike) -> None:
    _wrap_transaction(failed_calls.retry, after=strike)


def _within_a_commit(strike: Strike) -> None:
    connect = SqliteTransactionRunner._connect

    def connected(runner: SqliteTransactionRunner) -> Any:
        pooled = connect(runner)
        runner._db = _Watched(runner._db, strike)  # type: ignore[assignment]
        return pooled

    SqliteTransactionRunner._connect = connected  # type: ignore[method-assign]
    connect_on_server = on_server.connect_for_writing
    on_server.connect_for_writing = lambda url: _Watched(connect_on_server(url), strike)  # type: ignore[assignment]


class _Watched:
    """A connection that tells when a commit begins."""

    def __init__(self, db: Any, strike: Strike) -> None:
        self._db = db
        self._strike = strike

    def execute(self, statement: str, *values: Any) -> Any:
        if statement == "COMMIT":
            self._strike()
        return self._db.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


def _wrap(owner: Any, name: str, before: Strike | None = None, after: Strike | None = None) -> None:
    original = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            before()
        result = original(*args, **kwargs)
        if after:
            after()
        return result

    setattr(owner, name, wrapped)


def _wrap_transaction(transaction: Any, **strikes: Strike) -> None:
    watched = SimpleNamespace(transaction=transaction)
    _wrap(watched, "transaction", **strikes)
    run = TransactionRunner.run

    def run_watched(runner: TransactionRunner, asked: Any, *args: Any, **kwargs: Any) -> Any:
        return run(runner, watched.transaction if asked is transaction else asked, *args, **kwargs)

    TransactionRunner.run = run_watched  # type: ignore[method-assign, assignment]


BEFORE_A_RETRY = "before a retry is paid"
POINTS: dict[str, Callable[[Strike], None]] = {
    "before reserve": _before_reserve,
    "between reserve and send": _between_reserve_and_send,
    "while the answer arrives": _while_the_answer_arrives,
    "between answer and commit": _between_answer_and_commit,
    BEFORE_A_RETRY: _before_a_retry_is_paid,
    "within a commit": _within_a_commit,
}
LASTING = {"while the answer arrives": 0.02, "within a commit": 0.002}
"""Points that last a while, and about how many seconds."""


def draw(rng: random.Random, most_visits: int, struck: Mapping[str, int]) -> Death:
    """A death by chance, at a point where the fewest were struck so far."""
    fewest = min(struck.get(point, 0) for point in POINTS)
    point = rng.choice([point for point in sorted(POINTS) if struck.get(point, 0) == fewest])
    visits = max(1, most_visits // 20) if point == BEFORE_A_RETRY else most_visits
    return Death(point, rng.randint(1, visits), rng.uniform(0, LASTING.get(point, 0.0)))
