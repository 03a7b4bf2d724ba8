"""The transactions that close a call: its answer stored and its ids settled, or its ids let go or asked for again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from harvester.ledger.postgres import statements as sql
from harvester.ledger.postgres.claim import open_calls, reserve
from harvester.ledger.postgres.transaction import Transaction
from harvester.ledger.transactions.settle import Settlement
from harvester.ledger.transactions.transitions import instant, moves_of
from harvester.model import Batch, Budget, Denied, GiveBack, Outcome, VideoState


def settle_all(tx: Transaction, settlements: Sequence[Settlement]) -> list[bool]:
    """Whether each was settled: where its claim was lost meanwhile, nothing of it is."""
    closed = close_good(tx, settlements)
    settled = [one for one in settlements if one.batch.call_id in closed]
    if settled:
        store(tx, settled)
        _settle_ids(tx, settled)
    return [one.batch.call_id in closed for one in settlements]


def close_good(tx: Transaction, settlements: Sequence[Settlement]) -> set[int]:
    """Close their calls; those that were still open."""
    rows = tx.rows(
        sql.CLOSE_GOOD_CALLS,
        ids=[one.batch.call_id for one in settlements],
        statuses=[one.outcome.http_status for one in settlements],
        ends=[instant(one.now) for one in settlements],
    )
    return {call_id for (call_id,) in rows}


def store(tx: Transaction, settled: Sequence[Settlement]) -> None:
    """Store the bodies of their answers."""
    tx.later_each(sql.STORE_RESPONSE, [_response(one) for one in settled])


def _response(one: Settlement) -> tuple[object, ...]:
    body = one.body
    return (
        one.batch.call_id,
        body.encoding,
        body.raw_bytes,
        len(body.data),
        body.item_count,
        instant(one.now),
        body.sha256,
        body.data,
    )


def _settle_ids(tx: Transaction, settled: Sequence[Settlement]) -> None:
    """Missing ids first: what is still claimed then is fetched."""
    absent = [(one, one.missing) for one in settled]
    missing = [entry for one, places in absent for entry in _one_by_one(places, one.batch.call_id)]
    if missing:
        tx.move_later(sql.SETTLE, missing, len(missing), state=int(VideoState.MISSING))
    total = sum(len(one.batch) for one in settled)
    whole = [entry for one in settled for entry in moves_of(one.batch.positions, one.batch.call_id)]
    tx.move_later(sql.SETTLE, whole, total - len(missing), state=int(VideoState.FETCHED))
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


def _one_by_one(places: Sequence[int], call_id: int) -> list[tuple[int, int, int]]:
    return moves_of(places, call_id, by_range=False) if places else []


def retry(tx: Transaction, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime) -> Batch | Denied:
    if not close_failed(tx, batch, fault, now):
        return Denied.NOTHING_PENDING
    paid, refusal = reserve(tx, budget, 1)
    if not paid:
        tx.release(moves_of(batch.positions, batch.call_id))
        return refusal
    (call_id,) = open_calls(tx, run_id, budget, [(batch.positions, batch.attempt + 1, now)])
    tx.move_later(sql.RECLAIM, moves_of(batch.positions, batch.call_id), new_call_id=call_id)
    return batch.by_next_call(call_id, budget)


def give_back(tx: Transaction, batch: Batch, fault: Outcome, how: GiveBack, now: datetime) -> bool:
    if not close_failed(tx, batch, fault, now):
        return False
    moves = moves_of(batch.positions, batch.call_id)
    if how is GiveBack.FAIL:
        failed = tx.move(sql.SETTLE, moves, state=int(VideoState.FAILED))
        tx.count(claimed=-failed, failed=failed)
    elif how is GiveBack.SPLIT and len(batch) > 1:
        middle = (len(batch) + 1) // 2
        for half, positions in enumerate((batch.positions[:middle], batch.positions[middle:])):
            # A call's id is its own, so no two halves of the ledger share a number.
            tx.move_later(sql.SUSPECT, moves_of(positions, batch.call_id), suspect_batch=2 * batch.call_id + half)
        tx.count(claimed=-len(batch), pending=len(batch))
    else:
        tx.release(moves)
    return True


def close_day(tx: Transaction, day: date, now: datetime) -> None:
    tx.later(sql.CLOSE_DAY, day=day.isoformat(), now=instant(now))


def reopen_day(tx: Transaction, day: date) -> bool:
    return tx.change(sql.REOPEN_DAY, day=day.isoformat()) == 1


def spend_elsewhere(tx: Transaction, day: date, units: int) -> None:
    tx.later(sql.SPEND_ELSEWHERE, day=day.isoformat(), units=units)


def close_failed(tx: Transaction, batch: Batch, fault: Outcome, now: datetime) -> bool:
    """Close as failed. What was never sent cost nothing, so its units go back to the day."""
    units = batch.units if fault.sent else 0
    closed = tx.change(
        sql.CLOSE_FAILED_CALL,
        call_id=batch.call_id,
        http_status=fault.http_status,
        reason=fault.reason,
        now=instant(now),
        units=units,
    )
    if closed:
        tx.count_day(batch.quota_day, failed=1, refund=batch.units - units)
    return bool(closed)
