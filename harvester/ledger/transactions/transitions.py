"""How ids are moved from state to state, and the counts of them kept."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from harvester.ledger.sqlite import statements as sql
from harvester.model import VideoState

Move = tuple[int, int, int]
"""The positions from the first to the last that belong, or shall belong, to a call: first, last, call."""

_SPARSE = 4
"""Where the ids of a batch lie further apart than this, they are named one by one instead of as a range."""

_NO_CHANGE = {state.label: 0 for state in VideoState}


def instant(moment: datetime) -> str:
    """UTC as the ledger writes it: it sorts as text."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def move(db: sqlite3.Connection, statement: str, moves: Iterable[Move], **values: Any) -> int:
    """Run one of the moving statements over all of these; how many ids were moved."""
    return db.execute(statement, values | {"moves": json.dumps(list(moves))}).rowcount


def moves_of(positions: Sequence[int], call_id: int, *, by_range: bool = True) -> list[Move]:
    """The ids at these positions, as a range or one by one.

    A range costs less, where `by_range` allows it (the statement's other conditions leave out whatever else lies
    between) and the ids do not lie so far apart that reading over the gaps costs more.
    """
    first, last = positions[0], positions[-1]
    if by_range and last - first < _SPARSE * len(positions):
        return [(first, last, call_id)]
    return [(position, position, call_id) for position in positions]


def count(db: sqlite3.Connection, **changes: int) -> None:
    """Move the counts kept by state, named in lower case, by so much."""
    db.execute(sql.COUNT_STATES, _NO_CHANGE | changes)


def release(db: sqlite3.Connection, moves: Sequence[Move]) -> None:
    """Claimed ids become pending again. The next claim reads from the first of them on, over all that is settled."""
    released = move(db, sql.RELEASE, moves)
    db.execute(sql.LOOK_BACK, {"position": min(first for first, _, _ in moves)})
    count(db, claimed=-released, pending=released)
