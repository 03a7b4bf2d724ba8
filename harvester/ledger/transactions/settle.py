"""The transactions that close a call: its answer stored and its ids settled, or its ids let go or asked for again.

Good answers are settled as many at once as wait, for the reason that claims are: see `claiming`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain

from harvester.ledger.sqlite import statements as sql
from harvester.ledger.transactions.claim import open_calls, reserve
from harvester.ledger.transactions.transitions import count, instant, move, moves_of, release
from harvester.model import Batch, Body, Budget, Denied, GiveBack, Outcome, VideoState


@dataclass(frozen=True, slots=True)
class Settlement:
    """A good answer: see `Ledger.settle`."""

    batch: Batch
    outcome: Outcome
    now: datetime

    @property
    def body(self) -> Body:
        assert self.outcome.body is not None, "only a good answer settles"
        return self.outcome.body

    @property
    def missing(self) -> list[int]:
        """The positions of the ids that the answer does not hold."""
        batch, found = self.batch, self.outcome.found
        if len(found) == len(batch):  # no answer holds what was not asked for
            return []
        return [place for place, video_id in zip(batch.positions, batch.ids, strict=True) if video_id not in found]


def settle_all(db: sqlite3.Connection, settlements: Sequence[Settlement]) -> list[bool]:
    """Whether each was settled: where its claim was lost meanwhile, nothing of it is."""
    asked = json.dumps([settlement.batch.call_id for settlement in settlements])
    still_open: set[int] = set(json.loads(db.execute(sql.OPEN_AMONG, {"calls": asked}).fetchone()[0]))
    settled = [settlement for settlement in settlements if settlement.batch.call_id in still_open]
    if settled:
        close_good(db, settled)
        store(db, settled)
        _settle_ids(db, settled)
    return [settlement.batch.call_id in still_open for settlement in settlements]


def close_good(db: sqlite3.Connection, settled: Sequence[Settlement]) -> int:
    """Close their calls; how many were still open."""
    calls = [(one.batch.call_id, one.outcome.http_status, instant(one.now)) for one in settled]
    return db.execute(sql.CLOSE_GOOD_CALLS, {"calls": json.dumps(calls)}).rowcount


def store(db: sqlite3.Connection, settled: Sequence[Settlement]) -> None:
    """Store the bodies of their answers."""
    rows = ((one.batch.call_id, one.body, instant(one.now)) for one in settled)
    values = [
        (call_id, body.encoding, body.raw_bytes, len(body.data), body.item_count, now, body.sha256, body.data)
        for call_id, body, now in rows
    ]
    db.execute(sql.store_responses(len(values)), list(chain.from_iterable(values)))


def _settle_ids(db: sqlite3.Connection, settled: Sequence[Settlement]) -> None:
    """Missing ids first: what is still claimed then is fetched."""
    absent = [(one.batch.call_id, one.missing) for one in settled]
    missing = [entry for call_id, places in absent if places for entry in moves_of(places, call_id, by_range=False)]
    if missing:
        move(db, sql.SETTLE, missing, state=VideoState.MISSING)
    move(
        db,
        sql.SETTLE,
        [entry for one in settled for entry in moves_of(one.batch.positions, one.batch.call_id)],
        state=VideoState.FETCHED,
    )
    total = sum(len(one.batch) for one in settled)
    count(db, claimed=-total, fetched=total - len(missing), missing=len(missing))
    for day in {one.batch.quota_day for one in settled}:
        count_good(db, day, [one for one in settled if one.batch.quota_day == day])


def count_good(db: sqlite3.Connection, day: date, settled: Sequence[Settlement]) -> None:
    """Enter what they brought into the day's sums: calls and bytes of all, ids of those that settled some."""
    news = [one for one in settled if one.batch.replaces is None]
    fetched = sum(len(one.outcome.found) for one in news)  # no answer holds what was not asked for
    values = {
        "day": day.isoformat(),
        "calls": len(settled),
        "fetched": fetched,
        "missing": sum(len(one.batch) for one in news) - fetched,
        "raw_bytes": sum(one.body.raw_bytes for one in settled),
        "stored_bytes": sum(len(one.body.data) for one in settled),
    }
    db.execute(sql.COUNT_GOOD_CALLS, values)


def retry(
    db: sqlite3.Connection, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime
) -> Batch | Denied:
    if not close_failed(db, batch, fault, now):
        return Denied.NOTHING_PENDING
    paid, refusal = reserve(db, budget, 1)
    if not paid:
        release(db, moves_of(batch.positions, batch.call_id))
        return refusal
    call_id = open_calls(db, run_id, budget, [(batch.positions, batch.attempt + 1, now)])
    move(db, sql.RECLAIM, moves_of(batch.positions, batch.call_id), new_call_id=call_id)
    return batch.by_next_call(call_id, budget)


def give_back(db: sqlite3.Connection, batch: Batch, fault: Outcome, how: GiveBack, now: datetime) -> bool:
    if not close_failed(db, batch, fault, now):
        return False
    if how is GiveBack.FAIL:
        failed = move(db, sql.SETTLE, moves_of(batch.positions, batch.call_id), state=VideoState.FAILED)
        count(db, claimed=-failed, failed=failed)
    elif how is GiveBack.SPLIT and len(batch) > 1:
        middle = (len(batch) + 1) // 2
        for half, positions in enumerate((batch.positions[:middle], batch.positions[middle:])):
            # A call's id is its own, so no two halves of the ledger share a number.
            move(db, sql.SUSPECT, moves_of(positions, batch.call_id), suspect_batch=2 * batch.call_id + half)
        count(db, claimed=-len(batch), pending=len(batch))
    else:
        release(db, moves_of(batch.positions, batch.call_id))
    return True


def close_day(db: sqlite3.Connection, day: date, now: datetime) -> None:
    db.execute(sql.CLOSE_DAY, {"day": day.isoformat(), "now": instant(now)})


def reopen_day(db: sqlite3.Connection, day: date) -> bool:
    return db.execute(sql.REOPEN_DAY, {"day": day.isoformat()}).rowcount == 1


def spend_elsewhere(db: sqlite3.Connection, day: date, units: int) -> None:
    db.execute(sql.SPEND_ELSEWHERE, {"day": day.isoformat(), "units": units})


def close_failed(db: sqlite3.Connection, batch: Batch, fault: Outcome, now: datetime) -> bool:
    """Close as failed; whether it was still open. What was never sent cost nothing, so its units go back to the day."""
    units = batch.units if fault.sent else 0
    values = {
        "call_id": batch.call_id,
        "http_status": fault.http_status,
        "reason": fault.reason,
        "now": instant(now),
        "units": units,
    }
    if not db.execute(sql.CLOSE_FAILED_CALL, values).rowcount:
        return False
    db.execute(sql.COUNT_FAILED_CALL, {"day": batch.quota_day.isoformat(), "refund": batch.units - units})
    return True
