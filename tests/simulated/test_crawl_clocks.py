"""Clocks that are set, that differ, and hosts that are anywhere."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from crawl_setup import LEAP_SECONDS, NOON, SetUp, SharedClock, assert_all_true

from harvester import quota
from harvester.model import BATCH_SIZE
from harvester.run import Ending

MIDNIGHT = datetime(2026, 6, 3, 7, tzinfo=UTC)


class SetClock(SharedClock):
    """The simulator's time, until somebody sets it: after so many looks it is off by `error`."""

    looks_left = 60
    error = timedelta()

    def now(self) -> datetime:
        self.looks_left -= 1
        return super().now() + (self.error if self.looks_left < 0 else timedelta())

    def monotonic(self) -> float:
        # What counts seconds is not set with the clock.
        return (super().now() - NOON).total_seconds()


@pytest.mark.parametrize(
    "error", [timedelta(days=-1), timedelta(hours=-1), timedelta(hours=2), timedelta(days=1)], ids=str
)
async def test_a_clock_that_is_set_in_mid_run_costs_nothing(set_up: SetUp, error: timedelta) -> None:
    setup = await set_up(2_000, api={"daily_units": 20 * 11})
    clock = SetClock(setup.simulator)
    clock.error = error
    setup.clock = clock
    await setup.run()
    assert clock.looks_left < 0
    report = setup.simulator.report()
    assert all(day.units <= 20 * 11 for day in setup.progress.days)
    assert all(day["units"] <= 20 * 11 for day in report["days"].values())
    assert report["ids"]["delivered_more"] == 0
    assert (setup.count_of("claimed"), setup.findings) == (0, [])
    # The clock is right again, and the API has a new day.
    clock.error = timedelta()
    clock.leap_to(quota.resets_at(clock.now()) + timedelta(hours=1))
    while setup.count_of("pending"):
        await setup.run(until_done=True)
    assert_all_true(setup)


async def test_an_api_whose_midnight_is_two_minutes_later_is_waited_for(set_up: SetUp) -> None:
    """Our day has begun, the API's has not, and the API's is spent."""
    setup = await set_up(
        500, api={"clock_start": MIDNIGHT - timedelta(hours=3), "daily_units": 200, "clock_speed": 100}
    )
    setup.simulator.spend(200)
    assert isinstance(setup.clock, SharedClock)
    setup.clock.leap_to(MIDNIGHT - timedelta(seconds=90))
    # It begins when the clock has leapt.
    ahead = SetClock(setup.simulator)
    ahead.looks_left, ahead.error = 0, timedelta(minutes=2)
    setup.clock = ahead
    setup.settings["concurrency"] = 1
    assert (await setup.run()).ending is Ending.NOTHING_LEFT
    assert [day.day for day in setup.progress.days if day.closed_by_server_at] == []
    assert setup.simulator.report()["refused_by_quota"] <= 4
    assert_all_true(setup)


async def test_a_clock_that_was_days_ahead_once_costs_no_day_to_come(set_up: SetUp) -> None:
    setup = await set_up(1_000, api={"daily_units": 5 * 11}, settings={"concurrency": 1})
    clock = SetClock(setup.simulator)
    clock.looks_left, clock.error = 0, timedelta(days=2)
    setup.clock = clock
    assert (await setup.run()).good == 5
    assert [day.day for day in setup.progress.days if day.closed_by_server_at and day.day > NOON.date()] == []
    # The first call, of before the API had said what time it is, was booked on the day to come.
    clock.error = timedelta()
    clock.leap_to(NOON + timedelta(days=2))
    done = await setup.run()
    assert (done.ending, done.good) == (Ending.BUDGET_SPENT, 4)


class ClockSetAsleep(SetClock):
    """In each long sleep somebody sets it: by the next of `errors` it is off when that sleep is over."""

    looks_left = 0
    errors: list[timedelta]

    async def sleep(self, seconds: float) -> None:
        if seconds < LEAP_SECONDS:
            await super().sleep(seconds)
            return
        self.leap_to(SharedClock.now(self) + timedelta(seconds=seconds))
        if self.errors:
            self.error = self.errors.pop(0)


@pytest.mark.parametrize(
    ("before", "asleep"),
    [
        (timedelta(), [timedelta(days=2)]),
        (timedelta(), [timedelta(hours=5), timedelta(hours=-20)]),
        (timedelta(days=2), [timedelta()]),
    ],
    ids=str,
)
async def test_a_clock_that_is_set_while_a_run_sleeps_moves_no_reset(
    set_up: SetUp, before: timedelta, asleep: list[timedelta]
) -> None:
    setup = await set_up(500, api={"daily_units": 5 * 11}, settings={"concurrency": 1})
    clock = setup.clock = ClockSetAsleep(setup.simulator)
    clock.error, clock.errors = before, list(asleep)
    await setup.run(until_done=True)
    assert clock.errors == []
    midnight = (MIDNIGHT - NOON).total_seconds()
    next_day = [call.sent_at for call in setup.calls if call.sent_at >= midnight]
    assert midnight + 300 <= next_day[0] < midnight + 2 * 3600
    report = setup.simulator.report()
    assert [day["units"] for day in report["days"].values()] == [55, 55]
    # The first call was booked on the day that the clock had named: for the ledger the right one has a call left.
    assert report["refused_by_quota"] <= (2 if before else 0)
    assert_all_true(setup)


async def test_a_run_that_begins_in_the_last_second_of_a_day_goes_on_in_the_next(set_up: SetUp) -> None:
    start = MIDNIGHT - timedelta(seconds=1)
    setup = await set_up(
        1_000, api={"clock_start": start, "clock_speed": 1.0, "daily_units": 20 * 11, "latency_seconds": 0.3}
    )
    setup.settings["concurrency"] = 2
    assert (await setup.run()).ending is Ending.NOTHING_LEFT
    assert len(setup.progress.days) == 2
    assert sum(day.calls for day in setup.progress.days) == 1_000 / BATCH_SIZE
    assert_all_true(setup)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Kiritimati"])
def test_the_zone_of_the_host_plays_no_part(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    try:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert quota.quota_day(MIDNIGHT - timedelta(seconds=1)).isoformat() == "2026-06-02"
        assert quota.resets_at(NOON) == MIDNIGHT
    finally:
        monkeypatch.undo()
        time.tzset()
