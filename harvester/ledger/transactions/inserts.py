"""The transactions that bring ids into the ledger."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from harvester.ledger.load_records import Removal
from harvester.ledger.sqlite import statements as sql
from harvester.ledger.transactions.transitions import count, instant
from harvester.model import Addition, Span, VideoState

PRIVATE_USE = range(0xF0000, 0xFFFFE)
"""Code points that stand for nothing: more of them than a chunk has ids."""

# New ids fall all over the index by id. A crawl, which goes by position, needs a quarter of it.
_MORE_CACHE = "PRAGMA cache_size = -32768"


def last_position(db: sqlite3.Connection) -> int:
    position: int = db.execute(sql.LAST_POSITION).fetchone()[0]
    return position


def open_load(db: sqlite3.Connection, source: str, now: datetime) -> int:
    load_id = db.execute(sql.OPEN_LOAD, {"source": source, "now": instant(now)}).lastrowid
    assert load_id is not None
    return load_id


def close_load(db: sqlite3.Connection, load_id: int, now: datetime) -> None:
    db.execute(sql.CLOSE_LOAD, {"load_id": load_id, "now": instant(now)})


def add(
    db: sqlite3.Connection,
    ids: Sequence[str],
    invalid: Collection[str],
    known_up_to: int,
    load_id: int | None,
    rows: int,
) -> Addition:
    db.execute(_MORE_CACHE)
    before = last_position(db)
    nul = _stand_in_for_nul(ids)
    given = {"ids": _listed(ids, nul), "nul": nul, "load_id": load_id}
    if invalid or nul:
        new = db.execute(sql.ADD_TEXTS, given | {"invalid": _listed(invalid, nul)}).rowcount
    else:
        new = db.execute(sql.ADD_IDS, given).rowcount
    new_invalid = 0
    if invalid and new:
        new_invalid = db.execute(sql.NEW_INVALID, {"last_position": before}).fetchone()[0]
    count(db, pending=new - new_invalid, invalid=new_invalid)
    if new:
        # Claims may look from further on: where the last ids were removed, these have their positions.
        db.execute(sql.LOOK_BACK, {"position": before + 1})
    if load_id is not None:
        db.execute(sql.COUNT_LOAD, {"load_id": load_id, "rows": rows, "new": new, "invalid": new_invalid})
    known: list[tuple[int, bool]] = []
    if known_up_to and new < len(ids):
        found = db.execute(sql.KNOWN, given | {"known_up_to": known_up_to})
        known = [(position, bool(is_invalid)) for position, is_invalid in found]
    return Addition(new, new_invalid, known)


def remove(db: sqlite3.Connection, span: Span, which: Removal) -> dict[VideoState, int]:
    values = {"first": span.first, "last": span.last, "state": which.state, "load_id": which.load_id}
    of_state, of_load = Counter[VideoState](), Counter[int]()
    for state, load_id in db.execute(sql.REMOVE, values):
        of_state[VideoState(state)] += 1
        of_load[load_id] += 1
    count(db, **{state.label: -number for state, number in of_state.items()})
    db.executemany(sql.COUNT_REMOVED, [{"load_id": load_id, "removed": number} for load_id, number in of_load.items()])
    return dict(of_state)


def _stand_in_for_nul(texts: Sequence[str]) -> str:
    """A character that none of the texts holds; empty where no stand-in is needed."""
    together = "".join(texts)
    if "\0" not in together:
        return ""
    present = set(together)
    return next(character for character in map(chr, PRIVATE_USE) if character not in present)


def _listed(texts: Collection[str], nul: str) -> str:
    """As a JSON list, unescaped: what is no Unicode text is refused when it is bound, before anything is stored."""
    return json.dumps([text.replace("\0", nul) for text in texts] if nul else list(texts), ensure_ascii=False)
