"""Quota days: pure arithmetic, so every night of the year is an ordinary test."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester import quota_calendar


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-11-24T07:59:59", date(2026, 11, 23)),
        ("2026-11-24T08:00:00", date(2026, 11, 24)),
        ("2026-07-01T06:59:59", date(2026, 6, 30)),
        ("2026-07-01T07:00:00", date(2026, 7, 1)),
    ],
)
def test_the_quota_day_is_pacific(now: str, day: date) -> None:
    assert quota_calendar.quota_day(utc(now)) == day


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 7, 1), 24)])
def test_a_day_with_a_change_of_clocks_is_23_or_25_hours_long(day: date, hours: int) -> None:
    start = quota_calendar.day_start(day)
    assert quota_calendar.resets_at(start) - start == timedelta(hours=hours)
    assert quota_calendar.resets_at(start + timedelta(hours=hours, seconds=-1)) == start + timedelta(hours=hours)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_every_instant_lies_within_its_quota_day(now: datetime) -> None:
    day = quota_calendar.quota_day(now)
    assert quota_calendar.day_start(day) <= now < quota_calendar.resets_at(now)
    assert quota_calendar.quota_day(quota_calendar.resets_at(now)) == day + timedelta(days=1)
    assert quota_calendar.quota_day(quota_calendar.resets_at(now) - timedelta(microseconds=1)) == day


def test_a_young_day_is_the_first_ten_minutes() -> None:
    midnight = quota_calendar.day_start(date(2026, 11, 24))
    assert quota_calendar.just_reset(midnight)
    assert quota_calendar.just_reset(midnight + timedelta(minutes=9, seconds=59))
    assert not quota_calendar.just_reset(midnight + timedelta(minutes=10))
    assert not quota_calendar.just_reset(midnight - timedelta(seconds=1))
