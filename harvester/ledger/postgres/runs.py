"""The transactions that enter runs and end them, the dead ones too."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from harvester.ledger.postgres import statements as sql
from harvester.ledger.postgres.transaction import Transaction
from harvester.ledger.transactions.transitions import instant
from harvester.model import ProcessIdentity


def next_run_id(tx: Transaction) -> int:
    """A run's id is known before the run is entered, so that its lock is held before anybody can see it."""
    run_id: int = tx.value(sql.NEXT_RUN_ID)
    return run_id


def open_run(tx: Transaction, run_id: int, process: ProcessIdentity, now: datetime, lease_until: datetime) -> None:
    tx.later(
        sql.OPEN_RUN,
        run_id=run_id,
        host=process.host,
        boot=process.boot,
        pid=process.pid,
        process_started=process.started,
        now=instant(now),
        lease_until=instant(lease_until + _servers_lead(tx)),
    )


def renew_lease(tx: Transaction, run_id: int, lease_until: datetime) -> None:
    tx.later(sql.RENEW_LEASE, run_id=run_id, lease_until=instant(lease_until + _servers_lead(tx)))


def close_run(tx: Transaction, run_id: int, now: datetime, reason: str) -> None:
    _abandon(tx, run_id, now, reason)
    tx.later(sql.CLOSE_RUN, run_id=run_id, now=instant(now), reason=reason)


@dataclass(frozen=True, slots=True)
class Recovery:
    """`now` is this host's clock. A restart of the server is given `return_seconds` until runs have to be back."""

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
    now = recovery.now
    servers_now = instant(now + _servers_lead(tx))
    tx.later(sql.DELETE_OLD_TOKENS)
    runs = tx.rows(sql.OPEN_RUNS, return_seconds=recovery.return_seconds)
    for run_id, host, boot, pid, started, lease_until, gone in runs:
        owner = ProcessIdentity(host, boot, pid, started)
        here = (owner.host, owner.boot) == (recovery.me.host, recovery.me.boot)
        if (not recovery.is_alive(owner) if here else lease_until < servers_now) or (gone and run_id in missed):
            abandoned += _abandon(tx, run_id, now, "process died")
            tx.later(sql.CLOSE_RUN, run_id=run_id, now=instant(now), reason="died")
        elif gone:
            missing.append(run_id)
    return abandoned, missing


def _abandon(tx: Transaction, run_id: int, now: datetime, reason: str) -> int:
    """Give back all that a run still holds. The units stay spent: the API may have counted them."""
    lost = tx.rows(sql.ABANDON_CALLS, run_id=run_id, now=instant(now), reason=reason)
    if lost:
        refreshes = {row[0] for row in tx.rows(sql.END_REFRESHES, calls=[call_id for call_id, *_ in lost])}
        if moves := [(first, last, call_id) for call_id, _, first, last in lost if call_id not in refreshes]:
            tx.release(moves)
    for _, day, _, _ in lost:
        tx.count_day(day, abandoned=1)
    return len(lost) + tx.change(sql.ABANDON_STATISTICS_CALLS, run_id=run_id, now=instant(now), reason=reason)


def _servers_lead(tx: Transaction) -> timedelta:
    """How far the server's clock is ahead of this host's, to the second: leases are on the server's, which is one."""
    servers: datetime = tx.value(sql.CLOCK)
    return timedelta(seconds=round((servers - datetime.now(UTC)).total_seconds()))
