"""The transactions that delete stored responses and statistics."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from harvester.ledger.transactions.transaction import Transaction, instant
from harvester.model import NOTHING_STORED, Stored


def prune(tx: Transaction, call_ids: Sequence[int], before: datetime, now: datetime) -> Stored:
    """Delete the responses of those calls that were fetched before `before`, and note it.

    Their fetched ids are pending again, missing ones stay missing; calls under way that would replace one are
    abandoned. Returns what was deleted.
    """
    old = tx.rows(tx.sql.PICK_OLD, calls=sorted(set(call_ids)), before=instant(before))
    if not old:
        return NOTHING_STORED
    calls = [call_id for call_id, *_ in old]
    # Refreshes under way are abandoned: the responses are deleted all the same, since their age counts.
    for bucket, day in tx.rows(tx.sql.ABANDON_REFRESHES, calls=calls, now=instant(now)):
        tx.count_day(bucket, day, abandoned=1)
    videos = tx.move(tx.sql.UNFETCH, [(first, last, call_id) for call_id, first, last, *_ in old])
    if videos:
        tx.rewind_scan_position(min(first for _, first, *_ in old))
        tx.count(fetched=-videos, pending=videos)
    raw_bytes, stored_bytes = (sum(row[column] for row in old) for column in (3, 4))
    pruned = Stored(len(calls), videos, raw_bytes, stored_bytes)
    delete_responses(tx, calls, pruned, before, now)
    return pruned


def delete_responses(tx: Transaction, calls: Sequence[int], pruned: Stored, before: datetime, now: datetime) -> None:
    """Delete the responses of these calls, whose ids have been moved on, and note in `prunings` what they were."""
    pruning = tx.value(tx.sql.ENTER_PRUNING, now=instant(now), before=instant(before), **pruned._asdict())
    for call_id in calls:
        tx.later(tx.sql.DELETE_RESPONSE, call_id=call_id)
        tx.later(tx.sql.MARK_PRUNED, call_id=call_id, pruning=pruning)


def prune_statistics(tx: Transaction, call_ids: Sequence[int]) -> None:
    """Delete the statistics that those calls fetched. No id changes state."""
    for call_id in call_ids:
        tx.later(tx.sql.DELETE_RESPONSE, call_id=call_id)
