"""The transaction that settles the ids of a good answer. After others: `failed_calls.py`. Of batches that claim no ids:
`refresh.py`.

All good answers that wait are settled at once, for the same reason as claims: see `claim`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from harvester.ledger.transactions.transaction import Transaction, instant, moves_of
from harvester.model import Batch, BatchKind, Body, Outcome, VideoState

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
