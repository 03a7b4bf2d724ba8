"""The transaction that makes failed or missing ids pending again."""

from __future__ import annotations

from collections.abc import Collection

from harvester.ledger.transactions.transaction import Transaction
from harvester.model import Span, VideoState


def requeue(
    tx: Transaction, span: Span, states: Collection[VideoState], reasons: Collection[str] | None
) -> dict[VideoState, int]:
    """Make the failed or missing ids of `span` pending again. Returns how many of each of `states`.

    `reasons`: only ids whose last call failed for one of them. Attempts begin anew, so that the next outage does not
    fail the ids. They keep their call, for inspection.
    """
    moved: dict[VideoState, int] = {}
    for state in states:
        assert state in (VideoState.FAILED, VideoState.MISSING), "no other state may be left so"
        values = {"first": span.first, "last": span.last, "state": int(state)}
        rows = [row for reason in reasons or (None,) for row in tx.rows(tx.sql.REQUEUE, reason=reason, **values)]
        moved[state] = len(rows)
        if rows:
            tx.rewind_scan_position(min(position for (position,) in rows))
            tx.count(pending=moved[state], **{state.label: -moved[state]})
    return moved
