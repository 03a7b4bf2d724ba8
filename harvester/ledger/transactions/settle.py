"""The transactions that close a call: its answer stored and its ids settled, or its ids let go or asked for again.

Good answers are settled as many at once as wait, for the reason that claims are: see `claim`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from harvester.ledger.transactions.claim import open_calls
from harvester.ledger.transactions.quota_days import reserve
from harvester.ledger.transactions.transaction import Row, Transaction
from harvester.ledger.transactions.transitions import instant, moves_of, one_by_one, release
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


def settle_all(tx: Transaction, settlements: Sequence[Settlement]) -> list[bool]:
    """Whether each was settled: where its claim was lost meanwhile, nothing of it is."""
    closed = close_good(tx, settlements)
    settled = [one for one in settlements if one.batch.call_id in closed]
    if settled:
        store(tx, settled)
        _settle_ids(tx, settled)
    return [one.batch.call_id in closed for one in settlements]


def close_good(tx: Transaction, settlements: Sequence[Settlement]) -> Collection[int]:
    """Close their calls; those that were still open."""
    return tx.close_good(
        [one.batch.call_id for one in settlements],
        [one.outcome.http_status for one in settlements],
        [instant(one.now) for one in settlements],
    )


def store(tx: Transaction, settled: Sequence[Settlement]) -> None:
    """Store the bodies of their answers."""
    tx.insert_bodies(tx.sql.STORE_RESPONSE, [(one.batch.call_id, *body_values(one)) for one in settled])


def body_values(one: Settlement) -> Row:
    """A body and what is kept of it, in the order of the columns."""
    body = one.body
    now = instant(one.now)
    return body.encoding, body.raw_bytes, len(body.data), body.item_count, now, body.sha256, body.data


def _settle_ids(tx: Transaction, settled: Sequence[Settlement]) -> None:
    """Missing ids first: what is still claimed then is fetched."""
    missing = [move for one in settled for move in one_by_one(one.missing, one.batch.call_id)]
    if missing:
        tx.move_later(tx.sql.SETTLE, missing, len(missing), state=int(VideoState.MISSING))
    total = sum(len(one.batch) for one in settled)
    whole = [move for one in settled for move in moves_of(one.batch.positions, one.batch.call_id)]
    tx.move_later(tx.sql.SETTLE, whole, total - len(missing), state=int(VideoState.FETCHED))
    tx.count(claimed=-total, fetched=total - len(missing), missing=len(missing))
    for one in settled:
        count_good(tx, one)


def count_good(tx: Transaction, one: Settlement) -> None:
    """Enter what it brought into the day's sums; its ids only where it settled them."""
    fetched = len(one.outcome.found)  # no answer holds what was not asked for
    is_new = one.batch.replaces is None
    tx.count_day(
        one.batch.quota_day,
        ok=1,
        fetched=fetched if is_new else 0,
        missing=len(one.batch) - fetched if is_new else 0,
        raw_bytes=one.body.raw_bytes,
        stored_bytes=len(one.body.data),
    )


def retry(tx: Transaction, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime) -> Batch | Denied:
    if not close_failed(tx, batch, fault, now):
        return Denied.NOTHING_PENDING
    paid, refusal = reserve(tx, budget, 1)
    if not paid:
        release(tx, moves_of(batch.positions, batch.call_id))
        return refusal
    (call_id,) = open_calls(tx, run_id, budget, [(batch.positions, batch.attempt + 1, now)])
    tx.move_later(tx.sql.RECLAIM, moves_of(batch.positions, batch.call_id), new_call_id=call_id)
    return batch.by_next_call(call_id, budget)


def give_back(tx: Transaction, batch: Batch, fault: Outcome, how: GiveBack, now: datetime) -> bool:
    if not close_failed(tx, batch, fault, now):
        return False
    moves = moves_of(batch.positions, batch.call_id)
    if how is GiveBack.FAIL:
        failed = tx.move(tx.sql.SETTLE, moves, state=int(VideoState.FAILED))
        tx.count(claimed=-failed, failed=failed)
    elif how is GiveBack.SPLIT and len(batch) > 1:
        middle = (len(batch) + 1) // 2
        for half, positions in enumerate((batch.positions[:middle], batch.positions[middle:])):
            # A call's id is its own, so no two halves of the ledger share a number.
            halved = moves_of(positions, batch.call_id)
            tx.move_later(tx.sql.SUSPECT, halved, suspect_batch=2 * batch.call_id + half)
        tx.count(claimed=-len(batch), pending=len(batch))
    else:
        release(tx, moves)
    return True


def close_failed(tx: Transaction, batch: Batch, fault: Outcome, now: datetime) -> bool:
    """Close as failed; whether it was still open. What was never sent cost nothing, so its units go back to the day."""
    units = batch.units if fault.sent else 0
    closed = tx.change(
        tx.sql.CLOSE_FAILED_CALL,
        call_id=batch.call_id,
        http_status=fault.http_status,
        reason=fault.reason,
        now=instant(now),
        units=units,
    )
    if closed:
        tx.count_day(batch.quota_day, failed=1, refund=batch.units - units)
    return bool(closed)
