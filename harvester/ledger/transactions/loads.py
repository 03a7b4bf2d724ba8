"""The transactions that add ids to the ledger, and remove them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from harvester.ledger.records import Removal
from harvester.ledger.transactions.transaction import Transaction, instant
from harvester.model import Addition, Span, VideoState


def last_position(tx: Transaction) -> int:
    """Return the position of the newest id, 0 in an empty ledger."""
    return int(tx.value(tx.sql.LAST_POSITION))


def open_load(tx: Transaction, source: str, now: datetime) -> int:
    """Record a load of `source`, a text for display. Returns its id."""
    load_id: int = tx.value(tx.sql.OPEN_LOAD, source=source, now=instant(now))
    return load_id


def close_load(tx: Transaction, load_id: int, now: datetime) -> None:
    """Note that the load read its source to the end."""
    tx.later(tx.sql.CLOSE_LOAD, load_id=load_id, now=instant(now))


def add(
    tx: Transaction,
    ids: Sequence[str],
    invalid: Collection[str],
    known_up_to: int,
    load_id: int | None = None,
    rows: int = 0,
) -> Addition:
    """Append the ids that are new, in order; those of `invalid` will never be asked for.

    `rows`, the rows of the source that were read for them, and what is new are added to the counts of the load.
    Returns how many are new, and which of the others stand at positions up to `known_up_to`.
    """
    # One load at a time: otherwise positions have gaps for a moment, and claims look no further than the last position.
    tx.lock("adding")
    new, new_invalid, first = tx.add(ids, invalid, load_id)
    tx.count(pending=new - new_invalid, invalid=new_invalid)
    if first is not None:
        # The scan position may be further on: these ids have the positions of removed ones.
        tx.rewind_scan_position(first)
    if load_id is not None:
        tx.later(tx.sql.COUNT_LOAD, load_id=load_id, rows=rows, new=new, invalid=new_invalid)
    known = tx.known(ids, known_up_to) if known_up_to and new < len(ids) else []
    return Addition(new, new_invalid, known)


def remove(tx: Transaction, span: Span, which: Removal) -> dict[VideoState, int]:
    """Remove the ids of `span` that no call has asked for. Returns how many of each state."""
    rows = tx.rows(tx.sql.REMOVE, first=span.first, last=span.last, state=which.state, load_id=which.load_id)
    of_state, of_load = Counter[VideoState](), Counter[int]()
    for state, load_id in rows:
        of_state[VideoState(state)] += 1
        if load_id is not None:
            of_load[load_id] += 1
    # In one order, so that no two transactions wait for each other.
    for load_id, number in sorted(of_load.items()):
        tx.later(tx.sql.COUNT_REMOVED, load_id=load_id, removed=number)
    tx.count(**{state.label: -number for state, number in of_state.items()})
    return dict(of_state)
