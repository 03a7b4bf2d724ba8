"""The transactions on a quota day: its units are reserved, and the day is closed or opened again."""

from __future__ import annotations

from datetime import date, datetime

from harvester.ledger.transactions.transaction import Bucket, Transaction
from harvester.ledger.transactions.transitions import instant
from harvester.model import Budget, Denied

_TRIES = 2


def reserve(tx: Transaction, budget: Budget, calls: int, bucket: Bucket = "quota_days") -> tuple[int, Denied]:
    """Reserve the units of as many of these calls as the day pays for: how many, and why not the others."""
    tx.post_days()
    day = budget.day.isoformat()
    for _ in range(_TRIES):
        already, closed = tx.row(tx.sql.SPENT[bucket], day=day) or (0, False)
        if closed:
            return 0, Denied.DAY_CLOSED
        paid = min(calls, max(0, budget.limit - already) // budget.units_per_call)
        price = paid * budget.units_per_call
        values = {"day": day, "limit": budget.limit, "units": price, "calls": paid}
        if not paid or tx.change(tx.sql.RESERVE_UNITS[bucket], **values):
            return paid, Denied.BUDGET_SPENT
        # There was no row yet that could be locked, and another transaction inserted it meanwhile.
    raise AssertionError("a day that is locked pays for what was found to fit")


def close_day(tx: Transaction, bucket: Bucket, day: date, now: datetime) -> None:
    tx.later(tx.sql.CLOSE_DAY[bucket], day=day.isoformat(), now=instant(now))


def reopen_day(tx: Transaction, bucket: Bucket, day: date) -> bool:
    """Whether it was closed."""
    return tx.change(tx.sql.REOPEN_DAY[bucket], day=day.isoformat()) == 1


def spend_elsewhere(tx: Transaction, bucket: Bucket, day: date, units: int) -> None:
    tx.later(tx.sql.SPEND_ELSEWHERE[bucket], day=day.isoformat(), units=units)
