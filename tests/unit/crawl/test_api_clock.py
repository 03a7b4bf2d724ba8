"""The API's time, where the machine's is far from it."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from harvester.crawl.api_clock import ApiClock
from harvester.model import Answer
from harvester.quota_calendar import quota_day, seconds_to_another_day
from harvester.youtube.classify import classify

NOON = datetime(2026, 6, 2, 19, tzinfo=UTC)
DAY = date(2026, 6, 2)


class SetClock:
    """A clock that is wrong by `ahead`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ahead = timedelta()

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds) + self.ahead

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    async def true_now(self) -> datetime:
        """What the API says."""
        return NOON + timedelta(seconds=self.seconds)


@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(days=-1), timedelta(hours=5)], ids=str)
def test_a_clock_that_is_far_off_is_corrected_and_may_be_set_at_any_time(
    ahead: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    machine = SetClock()
    clock = ApiClock(machine, machine.true_now)
    machine.ahead = ahead
    assert clock.now() == NOON + ahead
    clock.hear(NOON)
    clock.hear(NOON)
    assert caplog.text.count("quota days go by the API's") == 1
    machine.seconds = 3600.0
    assert clock.now() == NOON + timedelta(hours=1)
    machine.ahead = timedelta()
    assert clock.now() == NOON + timedelta(hours=1)


def test_a_clock_that_is_off_by_little_is_left_alone() -> None:
    machine = SetClock()
    clock = ApiClock(machine, machine.true_now)
    machine.ahead = timedelta(minutes=2)
    clock.hear(NOON)
    clock.hear(None)
    assert clock.now() == NOON + timedelta(minutes=2)


def test_the_date_of_an_answer_is_read_from_its_header() -> None:
    headers = {"date": "Tue, 02 Jun 2026 19:00:00 GMT"}
    assert classify(Answer(503, headers, b""), ("a",), NOON).answered_on == NOON
    assert classify(Answer(503, {"date": "yesterday"}, b""), ("a",), NOON).answered_on is None


def test_the_rest_of_a_day_is_worked_out_anew() -> None:
    margin = timedelta(minutes=5)
    assert quota_day(NOON) == DAY
    assert seconds_to_another_day(NOON, DAY, margin) == 12 * 3600 + 300
    assert seconds_to_another_day(NOON + timedelta(hours=12), DAY, margin) == 300
    assert seconds_to_another_day(NOON + timedelta(days=2), DAY, margin) == 0
    # set back by a day: that day has a budget of its own
    assert seconds_to_another_day(NOON - timedelta(days=1), DAY, margin) == 0


async def test_the_api_is_asked_for_its_day_where_no_answer_has_told_it() -> None:
    machine = SetClock()
    clock = ApiClock(machine, machine.true_now)
    machine.ahead = timedelta(days=2)
    assert await clock.is_another_day(DAY + timedelta(days=2))
    assert clock.now() == NOON
    assert not await clock.is_another_day(DAY)
    right = SetClock()
    assert not await ApiClock(right, right.true_now).is_another_day(DAY)
    right.seconds = 13 * 3600
    assert await ApiClock(right, right.true_now).is_another_day(DAY)
    assert not await ApiClock(right, right.true_now).is_another_day(None)


async def test_seconds_that_a_suspended_machine_did_not_count_are_not_slept_again() -> None:
    machine = SetClock()
    clock = ApiClock(machine, machine.true_now)
    assert await clock.seconds_to_another_day(DAY, timedelta()) == 12 * 3600
    awake = SetClock()
    awake.ahead = timedelta(hours=8)

    async def eight_hours_later() -> datetime:
        return NOON + timedelta(hours=8)

    suspended = ApiClock(awake, eight_hours_later)
    suspended.hear(NOON)
    assert await suspended.seconds_to_another_day(DAY, timedelta()) == 4 * 3600
