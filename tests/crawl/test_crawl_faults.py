"""Faults that pass: each heals, each is paid for once, and what the API asks for is done."""

from __future__ import annotations

import pytest
from crawl_setup import CrawlSetup, NoJitter, Sent, SetUp, assert_all_true

from harvester.crawl.run_report import Ending
from harvester.simulator import FAULT_NAMES

KEY_FAULTS = {
    "400_api_key_expired",
    "400_api_key_invalid",
    "400_key_expired",
    "400_key_invalid",
    "400_missing_part",
    "400_unknown_part",
    "403_access_not_configured",
    "403_key_service_blocked",
    "403_no_key",
    "403_referer_blocked",
    "403_service_disabled",
}
"""They end the run: see test_crawl_ends."""
DAY_FAULTS = {"429_per_day"}
"""It ends the day: see test_crawl_quota."""
REFUSALS = {"400_bad_request", "400_invalid_filter", "400_missing_parameter", "unexpected_id"}
"""The batch is asked in halves: one call more."""
LISTING_FAULTS = {"400_invalid_page_token", "403_playlist_items_not_accessible", "404_playlist_not_found"}
"""Only channels and playlists are answered so."""
HARMLESS = {"slow"}
SLEEPY = {"hang"}
PASSING = sorted(FAULT_NAMES - KEY_FAULTS - DAY_FAULTS - REFUSALS - LISTING_FAULTS - HARMLESS - SLEEPY)

CALLS = 4


def wasted(setup: CrawlSetup) -> int:
    return setup.report.wasted.total()


def sent_since(setup: CrawlSetup, instant: float) -> list[Sent]:
    return sorted((call for call in setup.calls if call.sent_at >= instant), key=lambda call: call.sent_at)


@pytest.mark.parametrize("name", PASSING)
async def test_a_passing_fault_costs_one_call(set_up: SetUp, name: str) -> None:
    setup = await set_up(50 * CALLS, settings={"concurrency": 2})
    setup.simulator.script(name)
    done = await setup.run()
    report = setup.simulator.report()
    assert done.ending is Ending.NOTHING_LEFT
    assert report["faulted"] == {name: 1}
    assert (report["calls"], report["good"], wasted(setup)) == (CALLS + 1, CALLS, 1)
    assert setup.units == done.units == (CALLS + 1) * 11
    assert_all_true(setup)


@pytest.mark.parametrize("name", sorted(REFUSALS))
async def test_a_refused_batch_is_asked_in_halves(set_up: SetUp, name: str) -> None:
    setup = await set_up(50 * CALLS, settings={"concurrency": 2})
    setup.simulator.script(name)
    done = await setup.run()
    report = setup.simulator.report()
    assert (done.split, done.failed, wasted(setup)) == (1, 0, 1)
    assert (report["calls"], report["good"]) == (CALLS + 2, CALLS + 1)
    assert_all_true(setup)


@pytest.mark.parametrize("name", sorted(HARMLESS))
async def test_a_slow_answer_is_a_good_one(set_up: SetUp, name: str) -> None:
    setup = await set_up(50 * CALLS, settings={"concurrency": 2})
    setup.simulator.script(name)
    await setup.run()
    assert (setup.simulator.report()["calls"], wasted(setup)) == (CALLS, 0)
    assert_all_true(setup)


@pytest.mark.parametrize("name", sorted(SLEEPY))
async def test_a_call_that_hangs_is_given_up_in_time(set_up: SetUp, name: str) -> None:
    setup = await set_up(50 * CALLS, settings={"concurrency": 2, "timeout_seconds": 2})
    setup.simulator.script(name)
    done = await setup.run()
    assert done.wasted == {"timeout": 1}
    assert setup.simulator.report()["calls"] == CALLS + 1
    assert_all_true(setup)


async def test_the_same_batch_survives_faults_up_to_its_last_attempt(set_up: SetUp) -> None:
    setup = await set_up(50, settings={"concurrency": 1, "max_attempts": 5})
    setup.simulator.script("500", "drop", "cut_body", "429")
    done = await setup.run()
    assert (done.calls, wasted(setup), done.split) == (5, 4, 0)
    assert_all_true(setup)


@pytest.mark.parametrize("name", ["503_retry_after", "503_retry_after_date"])
async def test_a_batch_waits_as_long_as_the_api_asked_for(set_up: SetUp, name: str) -> None:
    setup = await set_up(50, api={"clock_speed": 10.0}, settings={"concurrency": 1}, rng=NoJitter())
    setup.simulator.script(name)
    await setup.run()
    asked_too_soon, again = setup.calls
    wait = asked_too_soon.outcome.retry_after_seconds
    assert wait is not None
    assert again.sent_at - asked_too_soon.ended_at >= wait
    if name == "503_retry_after":
        assert wait == 1.0


async def test_a_push_back_that_names_a_time_holds_every_call_until_then(set_up: SetUp) -> None:
    setup = await set_up(1_000, api={"clock_speed": 10.0}, settings={"concurrency": 4}, rng=NoJitter())
    setup.simulator.script("429_retry_after")
    await setup.run()
    pushed = next(call for call in setup.calls if call.outcome.retry_after_seconds)
    during = [call for call in setup.calls if pushed.ended_at < call.sent_at < pushed.ended_at + 1.0]
    assert during == []
    assert_all_true(setup)


async def test_a_push_back_halves_what_is_under_way_and_it_regrows(set_up: SetUp) -> None:
    setup = await set_up(4_000, api={"latency_seconds": 0.05}, settings={"concurrency": 8}, rng=NoJitter())
    setup.simulator.script("429")
    await setup.run()
    pushed = next(call for call in setup.calls if call.outcome.http_status == 429)
    after = sent_since(setup, pushed.ended_at)
    assert max(call.under_way for call in after[:4]) <= 4
    assert max(call.under_way for call in after) == 8
    assert_all_true(setup)


async def test_push_backs_of_one_burst_shrink_once(set_up: SetUp) -> None:
    setup = await set_up(3_000, api={"latency_seconds": 0.05}, settings={"concurrency": 8}, rng=NoJitter())
    setup.simulator.script(*["429"] * 8)
    await setup.run()
    pushed = [call for call in setup.calls if call.outcome.http_status == 429]
    assert len(pushed) == 8
    after = sent_since(setup, max(call.ended_at for call in pushed))
    # once for all of them: half of eight, and not one after three halvings
    assert max(call.under_way for call in after[:4]) == 4
    assert_all_true(setup)


async def test_a_minute_limit_is_met_by_asking_less(set_up: SetUp) -> None:
    # At this speed a simulated minute is 0.3 s.
    setup = await set_up(2_500, api={"per_minute_calls": 20}, settings={"concurrency": 10})
    done = await setup.run()
    assert done.ending is Ending.NOTHING_LEFT
    assert_all_true(setup)
    # A client that does not slow down wastes as many as it gets.
    assert wasted(setup) <= 35


@pytest.mark.parametrize("level", ["mild", "hostile"])
async def test_a_crawl_through_all_faults_ends_with_every_id_in_its_true_state(set_up: SetUp, level: str) -> None:
    setup = await set_up(10_000, api={"faults": level, "seed": 3}, settings={"concurrency": 10, "timeout_seconds": 3})
    done = await setup.run()
    assert done.ending is Ending.NOTHING_LEFT
    report = setup.simulator.report()
    good_but_late = report["good"] - (200 + done.split - done.failed)
    assert 0 <= good_but_late <= setup.answered_late
    assert wasted(setup) == report["calls"] - report["good"] + good_but_late
    assert_all_true(setup)
