"""The transactions that bring ids into the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from harvester.ledger.load_records import Removal
from harvester.ledger.postgres import statements as sql
from harvester.ledger.postgres.transaction import Transaction
from harvester.ledger.transactions.transitions import instant
from harvester.model import Addition, Span, VideoState

# PostgreSQL's texts hold no NUL. What is no id may, so it is written as this character and a 0, and the character
# itself as twice that.
_ESCAPE = "\U0010fffd"


def escaped(text: str) -> str:
    if "\0" not in text and _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE, 2 * _ESCAPE).replace("\0", f"{_ESCAPE}0")


def unescaped(text: str) -> str:
    if _ESCAPE not in text:
        return text
    return _ESCAPE.join(part.replace(f"{_ESCAPE}0", "\0") for part in text.split(2 * _ESCAPE))


def last_position(tx: Transaction) -> int:
    position: int = tx.value(sql.LAST_POSITION)
    return position


def open_load(tx: Transaction, source: str, now: datetime) -> int:
    load_id: int = tx.value(sql.OPEN_LOAD, source=source, now=instant(now))
    return load_id


def close_load(tx: Transaction, load_id: int, now: datetime) -> None:
    tx.later(sql.CLOSE_LOAD, load_id=load_id, now=instant(now))


def add(
    tx: Transaction,
    ids: Sequence[str],
    invalid: Collection[str],
    known_up_to: int,
    load_id: int | None,
    rows: int,
) -> Addition:
    # One load at a time, or the positions would have gaps for a moment, and claims look no further than the last.
    tx.lock(sql.ADDING)
    never = frozenset(invalid)
    distinct = list(dict.fromkeys(ids))
    texts = [escaped(text) for text in distinct]
    states = [int(VideoState.INVALID if text in never else VideoState.PENDING) for text in distinct]
    new, new_invalid, first = tx.row(sql.ADD, ids=texts, states=states, load_id=load_id) or (0, 0, None)
    tx.count(pending=new - new_invalid, invalid=new_invalid)
    if first is not None:
        # Claims may look from further on: where the last ids were removed, these have their positions.
        tx.look_back(first)
    if load_id is not None:
        tx.later(sql.COUNT_LOAD, load_id=load_id, rows=rows, new=new, invalid=new_invalid)
    known: Sequence[tuple[int, bool]] = []
    if known_up_to and new < len(texts):
        known = [(row[0], row[1]) for row in tx.rows(sql.KNOWN, ids=texts, known_up_to=known_up_to)]
    return Addition(new, new_invalid, known)


def remove(tx: Transaction, span: Span, which: Removal) -> dict[VideoState, int]:
    rows = tx.rows(sql.REMOVE, first=span.first, last=span.last, state=which.state, load_id=which.load_id)
    of_state = Counter[VideoState]()
    for state, load_id, number in rows:
        of_state[VideoState(state)] += number
        tx.later(sql.COUNT_REMOVED, load_id=load_id, removed=number)
    tx.count(**{state.label: -number for state, number in of_state.items()})
    return dict(of_state)
