"""The transactions that enter runs and end them, the dead ones too."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from harvester.ledger.transactions.transaction import Transaction
from harvester.ledger.transactions.transitions import instant, release
from harvester.model import ProcessIdentity

MAX_LEASE = timedelta(minutes=15)
"""Three times the length of a lease: the clocks of two hosts may differ by ten minutes."""


def open_run(tx: Transaction, process: ProcessIdentity, now: datetime, lease_until: datetime) -> int:
    """Enter a run; its id."""
    run_id: int = tx.value(tx.sql.NEXT_RUN_ID)
    tx.lock_run(run_id)  # before anybody sees it
    tx.later(
        tx.sql.OPEN_RUN,
        run_id=run_id,
        host=process.host,
        boot=process.boot,
        pid=process.pid,
        process_started=process.started,
        now=instant(now),
        lease_until=instant(lease_until + tx.clock_lead()),
    )
    return run_id


def renew_lease(tx: Transaction, run_id: int, lease_until: datetime) -> None:
    tx.later(tx.sql.RENEW_LEASE, run_id=run_id, lease_until=instant(lease_until + tx.clock_lead()))


def close_run(tx: Transaction, run_id: int, now: datetime, reason: str) -> None:
    _abandon(tx, run_id, now, reason)
    tx.later(tx.sql.CLOSE_RUN, run_id=run_id, now=instant(now), reason=reason)


@dataclass(frozen=True, slots=True)
class Recovery:
    """`now` is this host's clock. A restart of a server is given `return_seconds` until runs have to be back."""

    me: ProcessIdentity
    now: datetime
    is_alive: Callable[[ProcessIdentity], bool]
    return_seconds: float


def recover(tx: Transaction, recovery: Recovery, missed: Collection[int]) -> tuple[int, list[int]]:
    """Take back what dead runs hold: how many calls, and which runs are to be looked at again.

    A run is dead where its process was seen on this host and is gone, where it is of another host and its lease is
    over, or where its connection is gone and was `missed` before: one that was cut is made anew in a moment.
    """
    abandoned, missing = 0, []
    now, me = recovery.now, recovery.me
    tx.sweep()
    leases_now = now + tx.clock_lead()
    values = {"now": instant(leases_now), "latest": instant(leases_now + MAX_LEASE)}
    runs = tx.rows(tx.sql.OPEN_RUNS, return_seconds=recovery.return_seconds, **values)
    for run_id, host, boot, pid, started, expired, gone in runs:
        here = (host, boot) == (me.host, me.boot)
        dead = not recovery.is_alive(ProcessIdentity(host, boot, pid, started)) if here else expired
        if dead or (gone and run_id in missed):
            abandoned += _abandon(tx, run_id, now, "process died")
            tx.later(tx.sql.CLOSE_RUN, run_id=run_id, now=instant(now), reason="died")
        elif gone:
            missing.append(run_id)
    return abandoned, missing


def _abandon(tx: Transaction, run_id: int, now: datetime, reason: str) -> int:
    """Give back all that a run still holds. The units stay spent: the API may have counted them."""
    lost = tx.rows(tx.sql.ABANDON_CALLS, run_id=run_id, now=instant(now), reason=reason)
    if moves := [(first, last, call_id) for call_id, first, last, of_call, *_ in lost if of_call is None]:
        release(tx, moves)
    for *_, bucket, day in lost:
        tx.count_day(bucket, day, abandoned=1)
    return len(lost)
