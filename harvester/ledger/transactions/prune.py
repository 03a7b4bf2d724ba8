"""The transactions that delete stored responses, because of their age or because newer ones replace them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from harvester.ledger.transactions.transaction import Transaction
from harvester.ledger.transactions.transitions import instant
from harvester.model import NOTHING_STORED, Stored


def prune(tx: Transaction, call_ids: Sequence[int], before: datetime, now: datetime) -> Stored:
    """Delete responses of these calls that are older than `before`. Fetched ids are pending again, missing ones stay.

    The calls stay as they were, with a mark that their response is deleted.
    """
    old = tx.rows(tx.sql.PICK_OLD, calls=sorted(set(call_ids)), before=instant(before))
    if not old:
        return NOTHING_STORED
    calls = [call_id for call_id, *_ in old]
    # Refreshes under way are abandoned: the responses are deleted all the same, since their age counts.
    for bucket, day in tx.rows(tx.sql.ABANDON_REFRESHES, calls=calls, now=instant(now)):
        tx.count_day(bucket, day, abandoned=1)
    videos = tx.move(tx.sql.UNFETCH, [(first, last, call_id) for call_id, first, last in old])
    if videos:
        tx.rewind_scan_position(min(first for _, first, _ in old))
        tx.count(fetched=-videos, pending=videos)
    return delete_responses(tx, calls, videos, before, now)


def delete_responses(tx: Transaction, calls: list[int], videos: int, before: datetime, now: datetime) -> Stored:
    """Delete the responses of these calls, whose `videos` ids have been moved on, and note it in `prunings`."""
    pruned = Stored(len(calls), videos, *(tx.row(tx.sql.SIZES_OF, calls=calls) or ()))
    tx.delete_of(tx.sql.DELETE_RESPONSES, calls)
    pruning = tx.value(tx.sql.ENTER_PRUNING, now=instant(now), before=instant(before), **pruned._asdict())
    tx.later(tx.sql.MARK_PRUNED, calls=calls, pruning=pruning)
    return pruned


def prune_statistics(tx: Transaction, calls: list[int]) -> None:
    """Delete the statistics that these calls fetched. No id changes state."""
    tx.delete_of(tx.sql.DELETE_RESPONSES, calls)
