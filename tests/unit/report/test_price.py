"""What a crawl's days say of the price of a call."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from harvester.config import QuotaSettings
from harvester.model import QuotaDay
from harvester.report.contradictions import price_hint

DAY = date(2026, 11, 27)
CLOSED = datetime(2026, 11, 27, 18, tzinfo=UTC)


def a_day(good: int, price: int, *, closed: bool, refused: int = 0, elsewhere: int = 0, day: date = DAY) -> QuotaDay:
    calls, at = good + refused, CLOSED if closed else None
    return QuotaDay(day, 10_000, calls * price, calls, good, refused, 0, 0, 0, 0, 0, at, elsewhere)


@pytest.mark.parametrize(
    ("day", "price", "message"),
    [
        (a_day(909, 1, closed=True), 1, "set quota.units_per_call = 11"),
        (a_day(905, 1, closed=True), 1, "set quota.units_per_call = 11"),
        # A whole burst of calls is refused when the day is spent; and failed ones cost as good ones do.
        (a_day(909, 1, closed=True, refused=450), 1, "set quota.units_per_call = 11"),
        (a_day(800, 1, closed=True, refused=150), 1, "set quota.units_per_call = 11"),
        (a_day(3_300, 1, closed=True), 1, "set quota.units_per_call = 3"),
        (a_day(454, 1, closed=True, elsewhere=5_000), 1, "set quota.units_per_call = 11"),
        (a_day(50, 1, closed=True), 1, "Compare quota.daily_units with your console"),
        (a_day(40, 11, closed=True), 11, "Compare quota.daily_units with your console"),
        (a_day(2_000, 1, closed=False), 11, "units_per_call = 5"),
        (a_day(9_000, 1, closed=False), 11, "units_per_call = 1"),
        # What agrees with the price that is set, or says nothing of it.
        (a_day(9_990, 1, closed=True), 1, ""),
        (a_day(909, 11, closed=False), 11, ""),
        (a_day(909, 11, closed=True), 11, ""),
        (a_day(909, 1, closed=False), 1, ""),
        (a_day(909, 1, closed=True), 11, ""),
        (a_day(600, 11, closed=True, refused=300), 11, ""),
        (a_day(0, 1, closed=True), 1, ""),
        (a_day(10, 1, closed=True, elsewhere=9_990), 1, ""),
    ],
    ids=str,
)
def test_which_price_fits(day: QuotaDay, price: int, message: str) -> None:
    hint = price_hint([day], QuotaSettings(units_per_call=price))
    assert hint.endswith(message) or message in hint
    assert bool(hint) is bool(message)


def test_days_of_long_ago_say_nothing() -> None:
    days = [a_day(909, 1, closed=True), *(a_day(100, 1, closed=False, day=DAY.replace(day=n)) for n in range(1, 9))]
    assert price_hint(days, QuotaSettings(units_per_call=1)) == ""
    assert price_hint(days[:7], QuotaSettings(units_per_call=1))
