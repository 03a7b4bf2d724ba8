"""The transaction that takes back what dead runs had claimed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from harvester.ledger.transactions.transaction import Transaction, instant
from harvester.model import ProcessIdentity

MAX_LEASE = timedelta(minutes=15)
"""How far ahead a lease may end: its 5 minutes, and 10 by which another host's clock may be ahead. In SQLite a lease
that ends later counts as expired.
"""


def recover(
    tx: Transaction,
    me: ProcessIdentity,
    now: datetime,
    is_alive: Callable[[ProcessIdentity], bool],
    return_seconds: float,
    seen_disconnected: Collection[int] = (),
) -> tuple[int, list[int]]:
    """Take back the claims of dead runs. Returns how many calls, and the runs to check again.

    A run is dead where its process is gone, if it was on this host since its last boot; where its lease is over, if it
    was elsewhere; or where its connection is gone and it was `seen_disconnected` before: a dropped connection
    reconnects in a moment.
    For `return_seconds` after a restart of the server, a run without a connection does not count as dead. `now` is by
    this host's clock.
    """
    abandoned, disconnected = 0, []
    tx.delete_stale_tokens()
    leases_now = now + tx.clock_lead()
    values = {"now": instant(leases_now), "latest": instant(leases_now + MAX_LEASE)}
    runs = tx.rows(tx.sql.OPEN_RUNS, return_seconds=return_seconds, **values)
    for run_id, host, boot, pid, started, expired, gone in runs:
        here = (host, boot) == (me.host, me.boot)
        dead = not is_alive(ProcessIdentity(host, boot, pid, started)) if here else expired
        if dead or (gone and run_id in seen_disconnected):
            abandoned += abandon_calls(tx, run_id, now, "process died")
            tx.later(tx.sql.CLOSE_RUN, run_id=run_id, now=instant(now), reason="died")
        elif gone:
            disconnected.append(run_id)
    return abandoned, disconnected


def abandon_calls(tx: Transaction, run_id: int, now: datetime, reason: str) -> int:
    """Abandon the open calls of a run and release their ids. The units stay spent: the API may have counted them."""
    lost = tx.rows(tx.sql.ABANDON_CALLS, run_id=run_id, now=instant(now), reason=reason)
    moves = []
    for call_id, first, last, of_call, listing_id, bucket, day in lost:
        tx.count_day(bucket, day, abandoned=1)
        if listing_id is not None:
            tx.release_listing(listing_id)
        elif of_call is None:
            moves.append((first, last, call_id))
    if moves:
        tx.release(moves)
    return len(lost)
