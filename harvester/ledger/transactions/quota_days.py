"""The transactions on a quota day: reserve its units, close the day, reopen it."""

from __future__ import annotations

from datetime import date, datetime

from harvester.ledger.transactions.transaction import Transaction, instant
from harvester.model import Bucket, Budget, Denied

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


def close_day(tx: Transaction, day: date, now: datetime, bucket: Bucket = "default") -> None:
    """Note that the API says the day's quota is spent: no claim of that bucket succeeds on that day any more."""
    tx.later(tx.sql.CLOSE_DAY, bucket=bucket, day=day.isoformat(), now=instant(now))


def reopen_day(tx: Transaction, day: date, bucket: Bucket = "default") -> bool:
    """Reopen a closed day. Returns False where the day was not closed."""
    return tx.change(tx.sql.REOPEN_DAY, bucket=bucket, day=day.isoformat()) == 1


def spend_elsewhere(tx: Transaction, day: date, units: int, bucket: Bucket = "default") -> None:
    """Note that others spent `units` of the day in all, which no claim may spend. Replaces an earlier note."""
    tx.later(tx.sql.SPEND_ELSEWHERE, bucket=bucket, day=day.isoformat(), units=units)
