"""The transactions on a quota day: close it, reopen it, note what others spent. Its units: `reserve_units.py`."""

from __future__ import annotations

from datetime import date, datetime

from harvester.ledger.transactions.transaction import Transaction, instant
from harvester.model import Bucket


def close_day(tx: Transaction, day: date, now: datetime, bucket: Bucket = "default") -> None:
    """Note that the API says the day's quota is spent: no claim of that bucket succeeds on that day any more."""
    tx.later(tx.sql.CLOSE_DAY, bucket=bucket, day=day.isoformat(), now=instant(now))


def reopen_day(tx: Transaction, day: date, bucket: Bucket = "default") -> bool:
    """Reopen a closed day. Returns False where the day was not closed."""
    return tx.change(tx.sql.REOPEN_DAY, bucket=bucket, day=day.isoformat()) == 1


def spend_elsewhere(tx: Transaction, day: date, units: int, bucket: Bucket = "default") -> None:
    """Note that others spent `units` of the day in all, which no claim may spend. Replaces an earlier note."""
    tx.later(tx.sql.SPEND_ELSEWHERE, bucket=bucket, day=day.isoformat(), units=units)
