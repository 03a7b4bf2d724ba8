"""Reserves units of a quota day before a call is sent, so that no run spends more than the day's budget.

The SQL: RESERVE_UNITS in `statements.py`.
"""

from __future__ import annotations

from harvester.ledger.transactions.transaction import Transaction
from harvester.model import Budget, Denied

_TRIES = 3
"""Attempts: one for all calls, one for as many as there are units for, and one more where there was no row to lock."""


def reserve(tx: Transaction, budget: Budget, calls: int) -> tuple[int, Denied]:
    """Reserve the units of as many of these calls as the day has units for. Returns how many, and why
    not more if these are fewer than `calls`."""
    tx.flush_day_counts()
    key = {"bucket": budget.bucket, "day": budget.day.isoformat()}
    paid = calls
    for _ in range(_TRIES):
        price = paid * budget.units_per_call
        if tx.change(tx.sql.RESERVE_UNITS, limit=budget.limit, units=price, calls=paid, **key):
            return paid, Denied.BUDGET_SPENT
        already, closed = tx.row(tx.sql.SPENT, **key) or (0, False)
        if closed:
            return 0, Denied.DAY_CLOSED
        paid = min(calls, max(0, budget.limit - already) // budget.units_per_call)
        if not paid:
            return 0, Denied.BUDGET_SPENT
    raise AssertionError("a day that is locked pays for what was found to fit")
