"""The transaction that makes failed or missing ids pending again, on demand."""

from __future__ import annotations

from collections.abc import Collection

from harvester.ledger.transactions.transaction import Transaction
from harvester.model import Span, VideoState


def requeue(
    tx: Transaction, span: Span, states: Collection[VideoState], reasons: Collection[str] | None
) -> dict[VideoState, int]:
    """Make failed or missing ids pending, and reset their attempts, so that the next outage does not fail them.

    They keep their call, for inspection.
    """
    moved: dict[VideoState, int] = {}
    reason_list = list(reasons) if reasons else None
    for state in states:
        assert state in (VideoState.FAILED, VideoState.MISSING), "no other state may be left so"
        rows = tx.rows(tx.sql.REQUEUE, first=span.first, last=span.last, state=int(state), reasons=reason_list)
        moved[state] = sum(number for number, _ in rows)
        if moved[state]:
            tx.rewind_scan_position(min(first for _, first in rows))
            tx.count(pending=moved[state], **{state.label: -moved[state]})
    return moved
