"""The transactions that enter runs and end them, the dead ones too."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta

from harvester.ledger.sqlite import statements as sql
from harvester.ledger.transactions.transitions import instant, release
from harvester.model import ProcessIdentity

LEASE_MOST = timedelta(minutes=15)
"""Three times the length of a lease: the clocks of two hosts may differ by ten minutes."""


def open_run(db: sqlite3.Connection, process: ProcessIdentity, now: datetime, lease_until: datetime) -> int:
    values = {
        "host": process.host,
        "boot": process.boot,
        "pid": process.pid,
        "process_started": process.started,
        "now": instant(now),
        "lease_until": instant(lease_until),
    }
    run_id = db.execute(sql.OPEN_RUN, values).lastrowid
    assert run_id is not None
    return run_id


def renew_lease(db: sqlite3.Connection, run_id: int, lease_until: datetime) -> None:
    db.execute(sql.RENEW_LEASE, {"run_id": run_id, "lease_until": instant(lease_until)})


def close_run(db: sqlite3.Connection, run_id: int, now: datetime, reason: str) -> None:
    _abandon(db, run_id, now, reason)
    db.execute(sql.CLOSE_RUN, {"run_id": run_id, "now": instant(now), "reason": reason})


def recover(
    db: sqlite3.Connection, me: ProcessIdentity, now: datetime, is_alive: Callable[[ProcessIdentity], bool]
) -> int:
    abandoned = 0
    for run_id, host, boot, pid, started, lease_until in db.execute(sql.OPEN_RUNS).fetchall():
        owner = ProcessIdentity(host, boot, pid, started)
        if (owner.host, owner.boot) == (me.host, me.boot):
            dead = not is_alive(owner)
        else:
            # No honest lease lies further ahead than its length: that clock was wrong.
            dead = not instant(now) <= lease_until <= instant(now + LEASE_MOST)
        if dead:
            abandoned += _abandon(db, run_id, now, "process died")
            db.execute(sql.CLOSE_RUN, {"run_id": run_id, "now": instant(now), "reason": "died"})
    return abandoned


def _abandon(db: sqlite3.Connection, run_id: int, now: datetime, reason: str) -> int:
    """Give back all that a run still holds. The units stay spent: the API may have counted them."""
    values = {"run_id": run_id, "now": instant(now), "reason": reason}
    lost = db.execute(sql.ABANDON_CALLS, values).fetchall()
    if lost:
        calls = json.dumps([call_id for call_id, *_ in lost])
        refreshes = {call_id for (call_id,) in db.execute(sql.END_REFRESHES, {"calls": calls})}
        if moves := [(first, last, call_id) for call_id, _, first, last in lost if call_id not in refreshes]:
            release(db, moves)
    for _, day, _, _ in lost:
        db.execute(sql.COUNT_ABANDONED_CALL, {"day": day})
    return len(lost) + db.execute(sql.ABANDON_STATISTICS_CALLS, values).rowcount
