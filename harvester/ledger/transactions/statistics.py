"""The transactions of a refresh of statistics alone: they hang on the response whose videos they are of.

The batch `replaces` the call of that response, whose ids nothing here moves. Days and calls are those of a quota of its
own, so no sum of the crawl counts them.
"""

from __future__ import annotations

from datetime import datetime

from harvester.ledger.transactions.quota_days import reserve
from harvester.ledger.transactions.settle import Settlement, body_values
from harvester.ledger.transactions.transaction import Transaction
from harvester.ledger.transactions.transitions import instant
from harvester.model import Batch, Budget, Denied, Outcome


def claim(
    tx: Transaction, run_id: int, budget: Budget, now: datetime, old_call: int, before: datetime
) -> Batch | Denied:
    tx.later(tx.sql.LOCK_RESPONSE, call_id=old_call)
    if tx.row(tx.sql.OLD_STATISTICS, old_call=old_call, before=instant(before)) is None:
        return Denied.NOTHING_PENDING
    positions, ids = map(tuple, tx.columns(tx.sql.PICK_FETCHED_BY, old_call=old_call))
    # Before its first call: what `_open` gives is that of the next.
    asked = Batch(0, budget.day, budget.units_per_call, 0, positions, ids, asked_before=-1, replaces=old_call)
    return _open(tx, run_id, asked, budget, now)


def retry(tx: Transaction, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime) -> Batch | Denied:
    if not give_back(tx, batch, fault, now):
        return Denied.NOTHING_PENDING
    return _open(tx, run_id, batch, budget, now)


def settle(tx: Transaction, settlement: Settlement) -> bool:
    """Where the response was replaced or pruned meanwhile, there is nothing that these are the statistics of."""
    batch = settlement.batch
    stored = tx.row(tx.sql.LOCK_RESPONSE, call_id=batch.replaces) is not None
    state, reason = ("ok", None) if stored else ("abandoned", "replaced")
    closed = _close(tx, batch, state, reason, settlement.outcome.http_status, settlement.now)
    if not closed or not stored:
        return False
    tx.insert_bodies(tx.sql.STORE_STATISTICS, [(batch.replaces, batch.call_id, *body_values(settlement))])
    return True


def give_back(tx: Transaction, batch: Batch, fault: Outcome, now: datetime) -> bool:
    """What was never sent cost nothing, so its units go back to the day."""
    refund = 0 if fault.sent else batch.units
    if not _close(tx, batch, "failed", fault.reason, fault.http_status, now, refund=refund):
        return False
    if refund:
        tx.later(tx.sql.REFUND_STATISTICS, day=batch.quota_day.isoformat(), refund=refund)
    return True


def _open(tx: Transaction, run_id: int, asked: Batch, budget: Budget, now: datetime) -> Batch | Denied:
    """The next call for the ids of `asked`."""
    paid, refusal = reserve(tx, budget, 1, "statistics_days")
    if not paid:
        return refusal
    call_id = tx.value(
        tx.sql.OPEN_STATISTICS_CALL,
        run_id=run_id,
        day=budget.day.isoformat(),
        of_call=asked.replaces,
        units=budget.units_per_call,
        ids=len(asked),
        attempt=asked.attempt + 1,
        now=instant(now),
    )
    return asked.by_next_call(call_id, budget)


def _close(
    tx: Transaction,
    batch: Batch,
    state: str,
    reason: str | None,
    http_status: int | None,
    now: datetime,
    *,
    refund: int = 0,
) -> bool:
    """Whether it was still open."""
    closed = tx.change(
        tx.sql.CLOSE_STATISTICS_CALL,
        call_id=batch.call_id,
        state=state,
        reason=reason,
        http_status=http_status,
        now=instant(now),
        units=batch.units - refund,
    )
    return closed == 1
