"""Quota days and the plan: pure arithmetic, so every night of the year is an ordinary test."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester import quota


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
    assert quota.quota_day(utc(now)) == day


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 7, 1), 24)])
def test_a_day_with_a_change_of_clocks_is_23_or_25_hours_long(day: date, hours: int) -> None:
    start = quota.day_start(day)
    assert quota.resets_at(start) - start == timedelta(hours=hours)
    assert quota.resets_at(start + timedelta(hours=hours, seconds=-1)) == start + timedelta(hours=hours)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_every_instant_lies_within_its_quota_day(now: datetime) -> None:
    day = quota.quota_day(now)
    assert quota.day_start(day) <= now < quota.resets_at(now)
    assert quota.quota_day(quota.resets_at(now)) == day + timedelta(days=1)
    assert quota.quota_day(quota.resets_at(now) - timedelta(microseconds=1)) == day


def test_a_young_day_is_the_first_ten_minutes() -> None:
    midnight = quota.day_start(date(2026, 11, 24))
    assert quota.just_reset(midnight)
    assert quota.just_reset(midnight + timedelta(minutes=9, seconds=59))
    assert not quota.just_reset(midnight + timedelta(minutes=10))
    assert not quota.just_reset(midnight - timedelta(seconds=1))


def plan(videos: int, units_per_call: int = 11, daily_units: int = 10_000) -> quota.Plan:
    return quota.make_plan(
        videos,
        daily_units=daily_units,
        units_per_call=units_per_call,
        concurrency=50,
        now=utc("2026-11-23T20:00:00"),
    )


def test_the_plan_of_the_real_crawl() -> None:
    real = plan(631_348)
    assert (real.calls, real.units, real.calls_a_day, real.videos_a_day) == (12_627, 138_897, 909, 45_450)
    assert (real.days, real.finishes_on) == (14, date(2026, 12, 6))
    assert f"{real.hours_one_by_one:.1f}" == "7.0"
    assert real.hours_at_concurrency == pytest.approx(real.hours_one_by_one / 50)


def test_at_the_price_of_2026_it_takes_two_days() -> None:
    assert (plan(631_348, units_per_call=1).days, plan(631_348, units_per_call=1).units) == (2, 12_627)


def test_units_left_for_others_are_not_planned_with() -> None:
    assert plan(631_348, daily_units=5_000).calls_a_day == 454


def test_nothing_to_do_takes_no_days() -> None:
    nothing = plan(0)
    assert (nothing.calls, nothing.days, nothing.finishes_on) == (0, 0, date(2026, 11, 23))


@given(st.integers(0, 10_000_000), st.integers(0, 2_000), st.integers(1, 2_000))
def test_the_days_left_are_just_enough(pending: int, calls_left_today: int, calls_a_day: int) -> None:
    days = quota.days_to_finish(pending, calls_left_today=calls_left_today, calls_a_day=calls_a_day)
    calls = math.ceil(pending / 50)

    def possible(in_days: int) -> int:
        if calls_left_today:
            return calls_left_today + (in_days - 1) * calls_a_day if in_days else 0
        return in_days * calls_a_day

    assert possible(days) >= calls
    assert days == 0 or possible(days - 1) < calls
