"""The transactions that make ids pending again: on demand, or since what is stored of them is deleted for its age."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime

from harvester.ledger.sqlite import statements as sql
from harvester.ledger.transactions.transitions import count, instant, move
from harvester.model import NOTHING_STORED, Span, Stored, VideoState


def put_back(
    db: sqlite3.Connection, span: Span, states: Collection[VideoState], reasons: Collection[str] | None
) -> dict[VideoState, int]:
    """Failed or missing ids become pending, as if never asked for: with attempts left from before, one that the last
    outage wore out would be given up by the next one at once. They keep their call, for people who look."""
    moved: dict[VideoState, int] = {}
    values = {"first": span.first, "last": span.last, "reasons": json.dumps(list(reasons)) if reasons else None}
    for state in states:
        assert state in (VideoState.FAILED, VideoState.MISSING), "no other state may be left so"
        positions = [position for (position,) in db.execute(sql.PUT_BACK, values | {"state": state})]
        moved[state] = len(positions)
        if positions:
            db.execute(sql.LOOK_BACK, {"position": min(positions)})
            count(db, pending=len(positions), **{state.label: -len(positions)})
    return moved


def prune(db: sqlite3.Connection, call_ids: Sequence[int], before: datetime, now: datetime) -> Stored:
    """Delete the responses of these calls, where they are older; what they brought is pending, what they missed stays.

    The call itself stands as it was, with a mark that its response is gone.
    """
    asked = json.dumps(sorted(set(call_ids)))
    old = db.execute(sql.PICK_OLD, {"calls": asked, "before": instant(before)}).fetchall()
    if not old:
        return NOTHING_STORED
    call_ids = [call_id for call_id, *_ in old]
    _abandon_refreshes(db, call_ids, now)
    videos = move(db, sql.UNFETCH, [(first, last, call_id) for call_id, first, last in old])
    if videos:
        db.execute(sql.LOOK_BACK, {"position": min(first for _, first, _ in old)})
        count(db, fetched=-videos, pending=videos)
    return delete_responses(db, call_ids, videos, before, now)


def delete_responses(
    db: sqlite3.Connection, call_ids: Sequence[int], videos: int, before: datetime, now: datetime
) -> Stored:
    """Delete what these calls brought, `videos` ids in all which have been moved on, and keep a line of it."""
    calls = json.dumps(call_ids)
    pruned = Stored(len(call_ids), videos, *db.execute(sql.SIZES_OF, {"calls": calls}).fetchone())
    each = [{"call_id": call_id} for call_id in call_ids]
    db.executemany(sql.DELETE_STATISTICS, each)
    db.executemany(sql.DELETE_RESPONSE, each)
    values = pruned._asdict() | {"now": instant(now), "before": instant(before)}
    pruning = db.execute(sql.ENTER_PRUNING, values).lastrowid
    db.execute(sql.MARK_PRUNED, {"calls": calls, "pruning": pruning})
    return pruned


def _abandon_refreshes(db: sqlite3.Connection, old_calls: Sequence[int], now: datetime) -> None:
    """What is being asked for again goes all the same: its age counts. The answers will find their calls closed."""
    for (call_id,) in db.execute(sql.END_REFRESHES_OF, {"calls": json.dumps(old_calls)}).fetchall():
        (day,) = db.execute(sql.ABANDON_REFRESH, {"call_id": call_id, "now": instant(now)}).fetchone()
        db.execute(sql.COUNT_ABANDONED_CALL, {"day": day})
