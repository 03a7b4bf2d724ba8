"""How ids are moved from state to state: by ranges of positions, each with its call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from harvester.ledger.transactions.transaction import Move, Transaction
from harvester.listing import ListingState

SPARSE = 4
"""Where the ids of a batch lie further apart than this, they are named one by one instead of as a range."""


def instant(moment: datetime) -> str:
    """The instant in UTC as the ledger writes it; such texts sort by time."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def moves_of(positions: Sequence[int], call_id: int) -> list[Move]:
    """The ids of a call at these positions, as a range or one by one.

    A range costs less, unless the ids lie so far apart that reading over the gaps costs more. Ids in the gaps belong to
    other calls, and the moving statements leave them out.
    """
    first, last = positions[0], positions[-1]
    if last - first < SPARSE * len(positions):
        return [(first, last, call_id)]
    return one_by_one(positions, call_id)


def one_by_one(positions: Sequence[int], call_id: int) -> list[Move]:
    """The ids of a call at these positions, each as a range of its own."""
    return [(position, position, call_id) for position in positions]


def without_gaps(positions: Sequence[int], call_id: int) -> list[Move]:
    """The ids of a call as ranges without gaps: another transaction may be claiming the ids in the gaps."""
    if positions[-1] - positions[0] == len(positions) - 1:
        return [(positions[0], positions[-1], call_id)]
    ends = [place for place, (this, following) in enumerate(pairwise(positions), 1) if following != this + 1]
    return [(positions[start], positions[end - 1], call_id) for start, end in pairwise([0, *ends, len(positions)])]


def release_listing(tx: Transaction, listing_id: int) -> None:
    """Make a claimed listing pending again."""
    tx.later(tx.sql.MOVE_LISTING, listing_id=listing_id, state=ListingState.PENDING.value)


def release(tx: Transaction, moves: Sequence[Move]) -> None:
    """Make claimed ids pending again. The next claim reads from the first of them on, over all that is settled."""
    released = tx.move(tx.sql.RELEASE, moves)
    tx.rewind_scan_position(min(first for first, _, _ in moves))
    tx.count(claimed=-released, pending=released)
