"""The transactions on a quota day: reserve its units, close the day, reopen it."""

from __future__ import annotations

from datetime import date, datetime

from harvester.ledger.transactions.transaction import Transaction
from harvester.ledger.transactions.transitions import instant
from harvester.model import Bucket, Budget, Denied

_TRIES = 3
"""Attempts: one for all calls, one for as many as there are units for, and one more where there was no row to lock."""


def reserve(tx: Transaction, budget: Budget, calls: int) -> tuple[int, Denied]:
    """Reserve the units of as many of these calls as the day has units for. Returns how many, and why not more."""
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


def close_day(tx: Transaction, bucket: Bucket, day: date, now: datetime) -> None:
    """Close the day, which the API says is spent."""
    tx.later(tx.sql.CLOSE_DAY, bucket=bucket, day=day.isoformat(), now=instant(now))


def reopen_day(tx: Transaction, bucket: Bucket, day: date) -> bool:
    """Reopen the day. Returns whether it was closed."""
    return tx.change(tx.sql.REOPEN_DAY, bucket=bucket, day=day.isoformat()) == 1


def spend_elsewhere(tx: Transaction, bucket: Bucket, day: date, units: int) -> None:
    """Record the units of the day that others have spent."""
    tx.later(tx.sql.SPEND_ELSEWHERE, bucket=bucket, day=day.isoformat(), units=units)
