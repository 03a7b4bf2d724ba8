"""The transactions that close a call without a good answer: its ids are tried again, split, failed or released."""

from __future__ import annotations

from datetime import datetime

from harvester.ledger.transactions.claim import open_calls
from harvester.ledger.transactions.reserve_units import reserve
from harvester.ledger.transactions.transaction import Transaction, instant, moves_of
from harvester.model import Batch, Budget, Denied, GiveBack, Outcome, VideoState


def retry(tx: Transaction, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime) -> Batch | Denied:
    """Close the batch's call as failed, and reserve the units of another call for the same ids.

    Returns the batch by its new call. Denied: claimed ids are pending again, a stored response is as it was;
    CLAIM_LOST: the claim had been taken back before, and nothing was changed.
    """
    if not _close_failed(tx, batch, fault, now):
        return Denied.CLAIM_LOST
    moves = moves_of(batch.positions, batch.call_id) if batch.kind.claims_ids else []
    listing_id = batch.listing.listing_id if batch.listing else None
    paid, refusal = reserve(tx, budget, 1)
    if not paid:
        if moves:
            tx.release(moves)
        if listing_id is not None:
            tx.release_listing(listing_id)
        return refusal
    (call_id,) = open_calls(tx, run_id, budget, [(batch.positions, batch.attempt + 1, now)], batch.of_call, listing_id)
    if moves:
        tx.move_later(tx.sql.RECLAIM, moves, new_call_id=call_id)
    return batch.by_next_call(call_id, budget)


def give_back(tx: Transaction, batch: Batch, fault: Outcome, how: GiveBack, now: datetime) -> bool:
    """Close the batch's call as failed, and release, split or fail its ids, as `how` says.

    Ids that the batch did not claim stay fetched. The units of a request that was never sent go back to the day.
    Returns False where the claim was lost meanwhile, and nothing was changed.
    """
    if not _close_failed(tx, batch, fault, now):
        return False
    if batch.listing is not None:
        tx.release_listing(batch.listing.listing_id)
    if not batch.kind.claims_ids:
        return True
    moves = moves_of(batch.positions, batch.call_id)
    if how is GiveBack.FAIL:
        failed = tx.move(tx.sql.SETTLE, moves, state=int(VideoState.FAILED))
        tx.count(claimed=-failed, failed=failed)
    elif how is GiveBack.SPLIT and len(batch) > 1:
        middle = (len(batch) + 1) // 2
        for half, positions in enumerate((batch.positions[:middle], batch.positions[middle:])):
            # No two halves in the ledger share a number, since call ids are unique.
            halved = moves_of(positions, batch.call_id)
            tx.move_later(tx.sql.SUSPECT, halved, suspect_batch=2 * batch.call_id + half)
        tx.count(claimed=-len(batch), pending=len(batch))
    else:
        tx.release(moves)
    return True


def _close_failed(tx: Transaction, batch: Batch, fault: Outcome, now: datetime) -> bool:
    """Close the call as failed, and refund a request that was never sent. Returns whether the call was still open."""
    units = batch.units if fault.sent else 0
    values = {"reason": fault.reason, "http_status": fault.http_status, "units": units, "now": instant(now)}
    closed = tx.change(tx.sql.CLOSE_FAILED_CALL, call_id=batch.call_id, **values) == 1
    if closed:
        tx.count_day(batch.bucket, batch.quota_day, failed=1, refund=batch.units - units)
    return closed
