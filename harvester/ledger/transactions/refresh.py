"""The transactions of a refresh: an old response is asked for again, and stays until the new one takes its place.

Its ids stay fetched, by the old call, for as long as the new call is under way; a row of `refreshes` says which call
that is. So whoever exports meanwhile sees the old response or the new one, whole.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime

from harvester.ledger.sqlite import statements as sql
from harvester.ledger.transactions.claim import open_calls, reserve
from harvester.ledger.transactions.requeue import delete_responses, prune
from harvester.ledger.transactions.settle import Settlement, close_failed, close_good, count_good, store
from harvester.ledger.transactions.transitions import count, instant, move, moves_of
from harvester.model import Batch, Budget, Denied, Outcome, VideoState


def claim(
    db: sqlite3.Connection, run_id: int, budget: Budget, now: datetime, old_call: int, before: datetime
) -> Batch | Denied:
    """A call for the ids of that call's response. One that holds none is deleted: there is nothing to ask for."""
    found = db.execute(sql.OLD_RESPONSE, {"old_call": old_call, "before": instant(before)}).fetchone()
    if found is None:
        return Denied.NOTHING_PENDING
    if found[0] == 0:
        prune(db, [old_call], before, now)
        return Denied.NOTHING_PENDING
    paid, refusal = reserve(db, budget, 1)
    if not paid:
        return refusal
    positions, ids = map(json.loads, db.execute(sql.PICK_FETCHED_BY, {"old_call": old_call}).fetchone())
    call_id = open_calls(db, run_id, budget, [(positions, 1, now)])
    db.execute(sql.ENTER_REFRESH, {"old_call": old_call, "call_id": call_id})
    return Batch(
        call_id=call_id,
        quota_day=budget.day,
        units=budget.units_per_call,
        attempt=1,
        positions=tuple(positions),
        ids=tuple(ids),
        replaces=old_call,
    )


def retry(
    db: sqlite3.Connection, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime
) -> Batch | Denied:
    if not close_failed(db, batch, fault, now):
        return Denied.NOTHING_PENDING
    paid, refusal = reserve(db, budget, 1)
    if not paid:
        db.execute(sql.END_REFRESH, {"old_call": batch.replaces})
        return refusal
    call_id = open_calls(db, run_id, budget, [(batch.positions, batch.attempt + 1, now)])
    db.execute(sql.RETRY_REFRESH, {"old_call": batch.replaces, "call_id": call_id})
    return batch.by_next_call(call_id, budget)


def settle(db: sqlite3.Connection, settlement: Settlement) -> bool:
    """The new response takes the place of the old one, which is deleted as a pruned one is."""
    batch, now = settlement.batch, settlement.now
    assert batch.replaces is not None, "another batch is not settled here"
    if not close_good(db, [settlement]):
        return False
    store(db, [settlement])
    missing = settlement.missing
    if missing:
        gone = moves_of(missing, batch.replaces, by_range=False)
        move(db, sql.RENEW, gone, state=VideoState.MISSING, new_call=batch.call_id)
    kept = move(
        db,
        sql.RENEW,
        moves_of(batch.positions, batch.replaces),
        state=VideoState.FETCHED,
        new_call=batch.call_id,
    )
    assert kept + len(missing) == len(batch), "while it is asked for again, nothing else moves an id"
    count(db, fetched=-len(missing), missing=len(missing))
    count_good(db, batch.quota_day, [settlement])
    db.execute(sql.END_REFRESH, {"old_call": batch.replaces})
    delete_responses(db, [batch.replaces], len(batch), before=now, now=now)
    return True


def give_back(db: sqlite3.Connection, batch: Batch, fault: Outcome, now: datetime) -> bool:
    """The old response stays as it was."""
    if not close_failed(db, batch, fault, now):
        return False
    db.execute(sql.END_REFRESH, {"old_call": batch.replaces})
    return True
