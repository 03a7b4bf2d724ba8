"""Clocks that are set, that differ, and hosts that are anywhere."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta

import pytest
from crawl_setup import LEAP_SECONDS, NOON, SetUp, SharedClock, assert_all_true

from harvester import quota_calendar
from harvester.crawl.backoff import Backoff
from harvester.crawl.batch_source import PendingIds
from harvester.crawl.run_report import Ending
from harvester.ledger.ledger import Ledger
from harvester.model import BATCH_SIZE, Batch, Budget, Denied

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
    clock.leap_to(quota_calendar.resets_at(clock.now()) + timedelta(hours=1))
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


@pytest.mark.parametrize("error", [timedelta(days=2), timedelta(days=-1), timedelta(hours=13)], ids=str)
async def test_nothing_is_booked_on_the_day_that_a_wrong_clock_names(set_up: SetUp, error: timedelta) -> None:
    setup = await set_up(500, api={"daily_units": 5 * 11})
    clock = SetClock(setup.simulator)
    clock.looks_left, clock.error = 0, error
    setup.clock = clock
    assert (await setup.run()).good == 5
    (day,) = setup.progress.days
    assert (day.day, day.units, day.closed_by_server_at) == (NOON.date(), 55, None)
    # The day that the clock had named is whole.
    clock.error = timedelta()
    clock.leap_to(NOON + timedelta(days=2))
    done = await setup.run()
    assert (done.ending, done.good) == (Ending.NOTHING_LEFT, 5)
    assert setup.simulator.report()["refused_by_quota"] == 0


class DenialHeard(PendingIds):
    """Tells when a claim found no units."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.denied = asyncio.Event()

    async def claim(self, run_id: int, budget: Budget, now: datetime) -> Batch | Denied | None:
        claimed = await super().claim(run_id, budget, now)
        if claimed is Denied.BUDGET_SPENT:
            self.denied.set()
        return claimed


class LongestBackoff(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return b


async def test_a_run_that_finishes_beyond_midnight_says_nothing_left_though_the_day_before_was_spent(
    set_up: SetUp,
) -> None:
    """One lane is denied the last batch before midnight; the other asks again, and for that batch too, after it."""
    setup = await set_up(150, api={"daily_units": 2 * 11}, settings={"concurrency": 2})
    setup.rng = LongestBackoff()
    setup.simulator.script("503")
    made: list[DenialHeard] = []

    class MidnightInABackoff(SharedClock):
        async def sleep(self, seconds: float) -> None:
            if seconds == Backoff().base_seconds:
                await made[0].denied.wait()
                self.leap_to(MIDNIGHT)
            else:
                await super().sleep(seconds)

    setup.clock = MidnightInABackoff(setup.simulator)
    done = await setup.run(batches=lambda ledger: made.append(DenialHeard(ledger)) or made[0])
    assert made[0].denied.is_set()
    assert (done.ending, done.good, setup.count_of("pending")) == (Ending.NOTHING_LEFT, 3, 0)
    assert [day.units for day in setup.progress.days] == [22, 22]


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
    assert report["refused_by_quota"] == 0
    assert_all_true(setup)


class MidnightAfterClaims(PendingIds):
    """After so many claims it is midnight."""

    claims_left = 6

    def __init__(self, ledger: Ledger, clock: SharedClock) -> None:
        super().__init__(ledger)
        self._clock = clock

    async def claim(self, run_id: int, budget: Budget, now: datetime) -> Batch | Denied | None:
        self.claims_left -= 1
        if self.claims_left == 0:
            self._clock.leap_to(MIDNIGHT)
        return await super().claim(run_id, budget, now)


async def test_a_run_that_is_under_way_at_midnight_goes_on_in_the_next_day(set_up: SetUp) -> None:
    setup = await set_up(1_000, api={"daily_units": 20 * 11}, settings={"concurrency": 2})
    clock = setup.clock
    assert isinstance(clock, SharedClock)
    done = await setup.run(batches=lambda ledger: MidnightAfterClaims(ledger, clock))
    assert done.ending is Ending.NOTHING_LEFT
    assert len(setup.progress.days) == 2
    assert sum(day.calls for day in setup.progress.days) == 1_000 / BATCH_SIZE
    assert_all_true(setup)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Kiritimati"])
def test_the_zone_of_the_host_plays_no_part(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    try:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert quota_calendar.quota_day(MIDNIGHT - timedelta(seconds=1)).isoformat() == "2026-06-02"
        assert quota_calendar.resets_at(NOON) == MIDNIGHT
    finally:
        monkeypatch.undo()
        time.tzset()
