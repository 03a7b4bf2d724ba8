"""The transactions that close a call: settle its ids, retry them, split them, fail them or release them. See `refresh`
for batches that claim no ids.

All good answers that wait are settled at once, for the same reason as claims: see `claim`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from harvester.ledger.transactions.claim import open_calls
from harvester.ledger.transactions.quota_days import reserve
from harvester.ledger.transactions.transaction import Transaction, instant, moves_of
from harvester.model import Batch, BatchKind, Body, Budget, Denied, GiveBack, Outcome, VideoState

_SPARSE = 4
"""Where the ids lie further apart than this, they are named by their ranges: reading over the gaps costs more."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """A good answer to settle: see `Ledger.settle`."""

    batch: Batch
    outcome: Outcome
    now: datetime

    @property
    def body(self) -> Body:
        assert self.outcome.body is not None, "only a good answer settles"
        return self.outcome.body

    @property
    def missing(self) -> list[int]:
        """The positions of the ids that the answer lacks."""
        batch, found = self.batch, self.outcome.found
        if len(found) == len(batch):  # no answer holds what was not asked for
            return []
        return [place for place, video_id in zip(batch.positions, batch.ids, strict=True) if video_id not in found]


def settle_all(tx: Transaction, settlements: Sequence[Settlement]) -> list[bool]:
    """Settle all. Returns whether each was settled; nothing is stored of one whose claim was lost."""
    closed = close_good(tx, settlements)
    settled = [one for one in settlements if one.batch.call_id in closed]
    if settled:
        store(tx, settled)
        _settle_ids(tx, settled)
    return [one.batch.call_id in closed for one in settlements]


def close_good(tx: Transaction, settlements: Sequence[Settlement]) -> Collection[int]:
    """Close the calls of the settlements. Returns those that were still open."""
    return tx.close_good(
        [one.batch.call_id for one in settlements],
        [one.outcome.http_status for one in settlements],
        [instant(one.now) for one in settlements],
    )


def store(tx: Transaction, settled: Sequence[Settlement]) -> None:
    """Store the bodies of the answers."""
    rows = [(one.batch.call_id, instant(one.now), len(one.body.data), *one.body) for one in settled]
    tx.insert_bodies(tx.sql.STORE_RESPONSE, rows)


def _settle_ids(tx: Transaction, settled: Sequence[Settlement]) -> None:
    """Mark ids as missing first; then those still claimed as fetched."""
    missing = [(position, position, one.batch.call_id) for one in settled for position in one.missing]
    if missing:
        tx.move_later(tx.sql.SETTLE, missing, len(missing), state=int(VideoState.MISSING))
    total = sum(len(one.batch) for one in settled)
    first = min(one.batch.positions[0] for one in settled)
    last = max(one.batch.positions[-1] for one in settled)
    if last - first < _SPARSE * total:
        calls = [one.batch.call_id for one in settled]
        tx.later(tx.sql.SETTLE_REST, moved=total - len(missing), first=first, last=last, calls=calls)
    else:
        whole = [move for one in settled for move in moves_of(one.batch.positions, one.batch.call_id)]
        tx.move_later(tx.sql.SETTLE, whole, total - len(missing), state=int(VideoState.FETCHED))
    tx.count(claimed=-total, fetched=total - len(missing), missing=len(missing))
    for one in settled:
        count_good(tx, one)


def count_good(tx: Transaction, one: Settlement) -> None:
    """Add an answer to the day's sums, but not the ids of a refresh, which were settled on another day."""
    fetched = len(one.outcome.found)  # no answer holds what was not asked for
    counted = one.batch.kind is not BatchKind.REFRESH
    tx.count_day(
        one.batch.bucket,
        one.batch.quota_day,
        ok=1,
        fetched=fetched if counted else 0,
        missing=len(one.batch) - fetched if counted else 0,
        raw_bytes=one.body.raw_bytes,
        stored_bytes=len(one.body.data),
    )


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
