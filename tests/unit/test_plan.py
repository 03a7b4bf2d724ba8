"""The plan of a crawl."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.plan import Plan, days_to_finish, make_plan


def plan(videos: int, units_per_call: int = 11, daily_units: int = 10_000) -> Plan:
    return make_plan(
        videos,
        daily_units=daily_units,
        units_per_call=units_per_call,
        concurrency=50,
        now=datetime(2026, 11, 23, 20, tzinfo=UTC),
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
    days = days_to_finish(pending, calls_left_today=calls_left_today, calls_a_day=calls_a_day)
    calls = math.ceil(pending / 50)

    def possible(in_days: int) -> int:
        if calls_left_today:
            return calls_left_today + (in_days - 1) * calls_a_day if in_days else 0
        return in_days * calls_a_day

    assert possible(days) >= calls
    assert days == 0 or possible(days - 1) < calls
