"""The transactions of a refresh of statistics alone: they hang on the response whose videos they are of.

The batch `replaces` the call of that response, whose ids nothing here moves. Days and calls are those of a quota of its
own, so the crawl's books know nothing of them.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import date, datetime

from harvester.ledger.sqlite import statements as sql
from harvester.ledger.transactions.claim import reserve
from harvester.ledger.transactions.settle import Settlement
from harvester.ledger.transactions.transitions import instant
from harvester.model import Batch, Budget, Denied, Outcome


def claim(
    db: sqlite3.Connection, run_id: int, budget: Budget, now: datetime, old_call: int, before: datetime
) -> Batch | Denied:
    if db.execute(sql.OLD_STATISTICS, {"old_call": old_call, "before": instant(before)}).fetchone() is None:
        return Denied.NOTHING_PENDING
    positions, ids = map(json.loads, db.execute(sql.PICK_FETCHED_BY, {"old_call": old_call}).fetchone())
    # Before its first call: what `_open` gives is that of the next.
    asked = Batch(
        0, budget.day, budget.units_per_call, 0, tuple(positions), tuple(ids), asked_before=-1, replaces=old_call
    )
    return _open(db, run_id, asked, budget, now)


def retry(
    db: sqlite3.Connection, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime
) -> Batch | Denied:
    if not give_back(db, batch, fault, now):
        return Denied.NOTHING_PENDING
    return _open(db, run_id, batch, budget, now)


def settle(db: sqlite3.Connection, settlement: Settlement) -> bool:
    """Where the response was replaced or pruned meanwhile, there is nothing that these are the statistics of."""
    batch, body, now = settlement.batch, settlement.body, instant(settlement.now)
    stored = db.execute(sql.IS_STORED, {"call_id": batch.replaces}).fetchone() is not None
    state, reason = ("ok", None) if stored else ("abandoned", "replaced")
    closed = _close(db, batch, state, reason, settlement.outcome.http_status, settlement.now)
    if not closed or not stored:
        return False
    values = (body.encoding, body.raw_bytes, len(body.data), body.item_count, now, body.sha256, body.data)
    db.execute(sql.STORE_STATISTICS, (batch.replaces, batch.call_id, *values))
    return True


def give_back(db: sqlite3.Connection, batch: Batch, fault: Outcome, now: datetime) -> bool:
    """What was never sent cost nothing, so its units go back to the day."""
    refund = 0 if fault.sent else batch.units
    if not _close(db, batch, "failed", fault.reason, fault.http_status, now, refund=refund):
        return False
    if refund:
        db.execute(sql.REFUND_STATISTICS, {"day": batch.quota_day.isoformat(), "refund": refund})
    return True


def close_day(db: sqlite3.Connection, day: date, now: datetime) -> None:
    db.execute(sql.CLOSE_STATISTICS_DAY, {"day": day.isoformat(), "now": instant(now)})


def reopen_day(db: sqlite3.Connection, day: date) -> bool:
    return db.execute(sql.REOPEN_STATISTICS_DAY, {"day": day.isoformat()}).rowcount == 1


def spend_elsewhere(db: sqlite3.Connection, day: date, units: int) -> None:
    db.execute(sql.SPEND_STATISTICS_ELSEWHERE, {"day": day.isoformat(), "units": units})


def _open(db: sqlite3.Connection, run_id: int, asked: Batch, budget: Budget, now: datetime) -> Batch | Denied:
    """The next call for the ids of `asked`."""
    paid, refusal = reserve(db, budget, 1, spent=sql.SPENT_ON_STATISTICS, units=sql.RESERVE_FOR_STATISTICS)
    if not paid:
        return refusal
    values = {
        "run_id": run_id,
        "day": budget.day.isoformat(),
        "of_call": asked.replaces,
        "units": budget.units_per_call,
        "ids": len(asked),
        "attempt": asked.attempt + 1,
        "now": instant(now),
    }
    call_id = db.execute(sql.OPEN_STATISTICS_CALL, values).lastrowid
    assert call_id is not None
    return asked.by_next_call(call_id, budget)


def _close(
    db: sqlite3.Connection,
    batch: Batch,
    state: str,
    reason: str | None,
    http_status: int | None,
    now: datetime,
    *,
    refund: int = 0,
) -> bool:
    """Whether it was still open."""
    values = {
        "call_id": batch.call_id,
        "state": state,
        "reason": reason,
        "http_status": http_status,
        "now": instant(now),
        "units": batch.units - refund,
    }
    return db.execute(sql.CLOSE_STATISTICS_CALL, values).rowcount == 1
