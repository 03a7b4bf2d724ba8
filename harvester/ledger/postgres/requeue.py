"""The transactions that make ids pending again: on demand, or since what is stored of them is deleted for its age."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from harvester.ledger.postgres import statements as sql
from harvester.ledger.postgres.transaction import Transaction
from harvester.ledger.transactions.transitions import instant
from harvester.model import NOTHING_STORED, Span, Stored, VideoState


def put_back(
    tx: Transaction, span: Span, states: Collection[VideoState], reasons: Collection[str] | None
) -> dict[VideoState, int]:
    moved: dict[VideoState, int] = {}
    given = list(reasons) if reasons else None
    for state in states:
        assert state in (VideoState.FAILED, VideoState.MISSING), "no other state may be left so"
        moved[state], first = tx.row(
            sql.PUT_BACK, first=span.first, last=span.last, state=int(state), reasons=given
        ) or (0, None)
        if first is not None:
            tx.look_back(first)
            tx.count(pending=moved[state], **{state.label: -moved[state]})
    return moved


def prune(tx: Transaction, call_ids: Sequence[int], before: datetime, now: datetime) -> Stored:
    old = tx.rows(sql.PICK_OLD, calls=sorted(set(call_ids)), before=instant(before))
    if not old:
        return NOTHING_STORED
    calls = [call_id for call_id, *_ in old]
    _abandon_refreshes(tx, calls, now)
    videos = tx.move(sql.UNFETCH, [(first, last, call_id) for call_id, first, last in old])
    if videos:
        tx.look_back(min(first for _, first, _ in old))
        tx.count(fetched=-videos, pending=videos)
    return delete_responses(tx, calls, videos, before, now)


def delete_responses(tx: Transaction, calls: Sequence[int], videos: int, before: datetime, now: datetime) -> Stored:
    """Delete what these calls brought, `videos` ids in all which have been moved on, and keep a line of it."""
    pruned = Stored(len(calls), videos, *(tx.row(sql.SIZES_OF, calls=list(calls)) or ()))
    tx.later(sql.DELETE_STATISTICS, calls=list(calls))
    tx.later(sql.DELETE_RESPONSES, calls=list(calls))
    pruning = tx.value(sql.ENTER_PRUNING, now=instant(now), before=instant(before), **pruned._asdict())
    tx.later(sql.MARK_PRUNED, calls=list(calls), pruning=pruning)
    return pruned


def _abandon_refreshes(tx: Transaction, old_calls: Sequence[int], now: datetime) -> None:
    """What is being asked for again goes all the same: its age counts. The answers will find their calls closed."""
    for (call_id,) in tx.rows(sql.END_REFRESHES_OF, calls=list(old_calls)):
        for (day,) in tx.rows(sql.ABANDON_REFRESH, call_id=call_id, now=instant(now)):
            tx.count_day(day, abandoned=1)
