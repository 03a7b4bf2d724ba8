"""A crawl without faults: the fewest calls, the day's budget, the days one after another, the limits that were set."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest
from crawl_setup import SetUp, assert_all_true

from harvester.crawl.run_report import Ending
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.model import BATCH_SIZE
from harvester.quota_calendar import PACIFIC


@pytest.mark.parametrize("videos", [1, 50, 51, 1_020])
async def test_every_id_is_asked_for_once_in_full_batches(set_up: SetUp, videos: int) -> None:
    setup = await set_up(videos)
    done = await setup.run()
    assert done.ending is Ending.NOTHING_LEFT
    report = setup.simulator.report()
    assert report["calls"] == report["good"] == done.calls == math.ceil(videos / BATCH_SIZE)
    assert report["ids"] == {"distinct": videos, "delivered_once": videos, "delivered_more": 0}
    assert_all_true(setup)
    states = Counter(setup.states.values())
    assert (done.fetched, done.missing) == (states["fetched"], states["missing"])


async def test_bodies_are_stored_as_they_came_compressed(set_up: SetUp) -> None:
    setup = await set_up(200)
    await setup.run()
    with SqliteReader(setup.path) as reader:
        bodies = [response.body for response in reader.responses()]
    assert {body.encoding for body in bodies} == {"gzip"}
    assert all(len(body.data) < body.raw_bytes / 2 for body in bodies)


async def test_asking_again_when_nothing_is_left_sends_nothing(set_up: SetUp) -> None:
    setup = await set_up(100)
    await setup.run()
    again = await setup.run()
    assert (again.ending, again.calls, setup.simulator.report()["calls"]) == (Ending.NOTHING_LEFT, 0, 2)


async def test_a_day_ends_in_mid_run_with_whole_calls_only(set_up: SetUp) -> None:
    setup = await set_up(1_000, api={"daily_units": 100})
    done = await setup.run()
    assert (done.ending, done.calls, done.units) == (Ending.BUDGET_SPENT, 9, 99)
    report = setup.simulator.report()
    assert (report["calls"], report["refused_by_quota"]) == (9, 0)
    assert [day["units"] for day in report["days"].values()] == [99]
    assert setup.count_of("pending") == 1_000 - 9 * BATCH_SIZE
    again = await setup.run()
    assert (again.ending, again.calls) == (Ending.BUDGET_SPENT, 0)


async def test_units_that_are_reserved_for_others_are_left(set_up: SetUp) -> None:
    setup = await set_up(1_000, api={"daily_units": 100}, daily_units=56)
    assert (await setup.run()).ending is Ending.BUDGET_SPENT
    assert [day["units"] for day in setup.simulator.report()["days"].values()] == [55]


@pytest.mark.parametrize(
    "start",
    [
        datetime(2026, 6, 2, 19, tzinfo=UTC),
        # the second of the three days is 23 hours long
        datetime(2026, 3, 7, 20, tzinfo=UTC),
        # and here 25
        datetime(2026, 10, 31, 19, tzinfo=UTC),
    ],
    ids=["ordinary nights", "spring forward", "fall back"],
)
async def test_until_done_goes_on_after_each_pacific_midnight(set_up: SetUp, start: datetime) -> None:
    setup = await set_up(1_000, api={"daily_units": 100, "clock_start": start})
    done = await setup.run(until_done=True)
    assert (done.ending, done.calls) == (Ending.NOTHING_LEFT, 20)
    report = setup.simulator.report()
    first = start.date()
    assert {date.fromisoformat(day): spent["units"] for day, spent in report["days"].items()} == {
        first: 99,
        first + timedelta(days=1): 99,
        first + timedelta(days=2): 22,
    }
    assert report["refused_by_quota"] == 0
    sent_on = sorted(call.sent_on.astimezone(PACIFIC) for call in setup.calls)
    assert all(time(0, 0) < sent_on[first_of_day].time() < time(0, 20) for first_of_day in (9, 18))
    assert_all_true(setup)


async def test_a_run_may_be_limited_to_some_calls(set_up: SetUp) -> None:
    setup = await set_up(1_000)
    done = await setup.run(max_calls=7)
    assert (done.ending, done.calls) == (Ending.MAX_CALLS, 7)
    assert setup.simulator.report()["calls"] == 7
    assert setup.count_of("pending") == 1_000 - 7 * BATCH_SIZE
    assert setup.findings == []


@pytest.mark.parametrize(
    ("videos", "daily_units", "ending"),
    [(0, 100, Ending.NOTHING_LEFT), (1_000, 99, Ending.BUDGET_SPENT)],
    ids=["nothing left", "budget spent"],
)
async def test_a_limit_that_is_not_reached_is_not_why_the_run_ended(
    set_up: SetUp, videos: int, daily_units: int, ending: Ending
) -> None:
    setup = await set_up(videos, api={"daily_units": daily_units}, settings={"concurrency": 20})
    await setup.run(max_calls=9)
    again = await setup.run(max_calls=10)
    assert (again.ending, again.calls) == (ending, 0)


async def test_until_done_goes_on_to_its_limit(set_up: SetUp) -> None:
    setup = await set_up(2_000, api={"daily_units": 100}, settings={"concurrency": 20})
    done = await setup.run(until_done=True, max_calls=15)
    assert (done.ending, done.calls) == (Ending.MAX_CALLS, 15)
    assert [day["calls"] for day in setup.simulator.report()["days"].values()] == [9, 6]


async def test_a_call_that_fails_counts_towards_the_limit(set_up: SetUp) -> None:
    setup = await set_up(1_000, settings={"concurrency": 1})
    setup.simulator.script("503", "503")
    done = await setup.run(max_calls=2)
    assert (done.ending, done.calls, done.good) == (Ending.MAX_CALLS, 2, 0)
    assert setup.simulator.report()["calls"] == 2
    assert set(setup.states.values()) == {"pending"}
    assert setup.findings == []


async def test_as_many_calls_are_under_way_as_were_set_and_never_more(set_up: SetUp) -> None:
    setup = await set_up(2_000, api={"latency_seconds": 0.1}, settings={"concurrency": 8})
    await setup.run()
    assert setup.simulator.report()["max_in_flight"] == 8
    assert_all_true(setup)


async def test_a_run_on_an_empty_ledger_ends_at_once(set_up: SetUp) -> None:
    setup = await set_up(0)
    assert (await setup.run()).ending is Ending.NOTHING_LEFT
    assert setup.simulator.report()["calls"] == 0
