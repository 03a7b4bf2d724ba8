"""A refresh against the simulated API: what is old is fetched again, and never missing from what is stored."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from crawl_setup import NOON, CrawlSetup, SetUp, SharedClock, stopped_after

from harvester.crawl.batch_source import OldResponses
from harvester.crawl.run_report import Ending, RunReport
from harvester.crawl.stop import Stop
from harvester.errors import ApiUnavailable, CredentialsError
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.model import EVERYTHING

CALLS = 10
AGE = timedelta(days=25)


async def aged(set_up: SetUp, concurrency: int = 3, patience_seconds: int = 60, **how: Any) -> CrawlSetup:
    """All fetched, 26 days ago."""
    settings = {"concurrency": concurrency, "max_attempts": 2, "patience_seconds": patience_seconds}
    setup = await set_up(50 * CALLS, settings=settings, **how)
    await setup.run()
    assert isinstance(setup.clock, SharedClock)
    setup.clock.leap_to(NOON + timedelta(days=26))
    setup.calls.clear()
    return setup


async def refresh(setup: CrawlSetup, stop: Stop | None = None, **how: Any) -> RunReport:
    before = setup.clock.now() - AGE
    return await setup.run(stop, lambda ledger: OldResponses(ledger, before), **how)


def old(setup: CrawlSetup) -> int:
    """Responses past their age. All that was fetched is stored, each id in one response, in a consistent ledger."""
    assert setup.untrue() == {}
    with SqliteReader(setup.path) as reader:
        assert reader.findings() == []
        stored = sum(response.body.item_count for response in reader.responses())
        assert stored == sum(len(rows) for rows in reader.fetched(EVERYTHING, 1000)) == setup.count_of("fetched")
        return reader.older(setup.clock.now() - AGE).responses


async def test_all_that_is_old_is_fetched_again_in_as_many_calls(set_up: SetUp) -> None:
    setup = await aged(set_up)
    fetched = setup.count_of("fetched")
    first = await refresh(setup, max_calls=4)
    assert (first.ending, first.calls, first.units, old(setup)) == (Ending.MAX_CALLS, 4, 44, CALLS - 4)
    second = await refresh(setup)
    assert (second.ending, second.calls, old(setup)) == (Ending.NOTHING_LEFT, CALLS - 4, 0)
    assert first.fetched + second.fetched == fetched == setup.count_of("fetched")
    asked = [video_id for call in setup.calls for video_id in call.ids]
    assert len(asked) == len(set(asked)) == fetched  # those that were missing are not asked for
    assert setup.units == 2 * CALLS * 11
    assert (await refresh(setup)).calls == 0


async def test_two_at_once_and_a_run_beside_them_ask_for_nothing_twice(set_up: SetUp) -> None:
    setup = await aged(set_up, api={"latency_seconds": 0.02})
    one, other, run = await asyncio.gather(refresh(setup), refresh(setup), setup.run())
    assert (one.calls + other.calls, run.calls, old(setup)) == (CALLS, 0, 0)
    assert min(one.calls, other.calls) > 0


async def test_a_day_that_is_spent_ends_it_and_the_next_goes_on(set_up: SetUp) -> None:
    setup = await aged(set_up, api={"daily_units": 11 * CALLS})
    setup.daily_units = 11 * 7
    assert (await refresh(setup)).ending is Ending.BUDGET_SPENT
    assert old(setup) == 3
    assert isinstance(setup.clock, SharedClock)
    setup.clock.leap_to(NOON + timedelta(days=27))
    assert (await refresh(setup)).calls == 3
    assert old(setup) == 0


@pytest.mark.parametrize("fault", ["503", "429"])
async def test_a_passing_fault_is_paid_for_and_passes(set_up: SetUp, fault: str) -> None:
    # A minute of this clock is 0.3 s, in which a busy machine may give no good answer.
    setup = await aged(set_up, patience_seconds=6_000)
    setup.simulator.script(fault)
    done = await refresh(setup)
    assert (done.calls, done.good, done.failed, old(setup)) == (CALLS + 1, CALLS, 0, 0)


async def test_what_the_api_refuses_stays_as_it_was_and_the_rest_goes_on(
    set_up: SetUp, caplog: pytest.LogCaptureFixture
) -> None:
    setup = await aged(set_up)
    setup.simulator.script("400_bad_request")
    done = await refresh(setup)
    assert (done.ending, done.calls, done.good) == (Ending.NOTHING_LEFT, CALLS, CALLS - 1)
    assert (done.split, done.failed, old(setup)) == (0, 0, 1)
    assert "videos could not be refreshed: badRequest" in caplog.text
    assert (await refresh(setup)).good == 1
    assert old(setup) == 0


async def test_what_is_given_up_stays_as_it_was_and_the_rest_goes_on(set_up: SetUp) -> None:
    setup = await aged(set_up)
    setup.broken = [next(video_id for video_id, state in setup.states.items() if state == "fetched")]
    done = await refresh(setup)
    assert (done.ending, done.good, done.wasted) == (Ending.NOTHING_LEFT, CALLS - 1, {"backendError": 2})
    assert old(setup) == 1


async def test_an_api_that_is_down_ends_it_with_everything_as_it_was(set_up: SetUp) -> None:
    setup = await aged(set_up)
    setup.simulator.script(*["503"] * 1_000)
    with pytest.raises(ApiUnavailable) as down:
        await refresh(setup)
    assert "stay as they were" in down.value.state
    assert "harvester refresh" in down.value.next_step
    assert old(setup) == CALLS


async def test_a_refused_key_ends_it_with_everything_as_it_was(set_up: SetUp) -> None:
    setup = await aged(set_up)
    setup.simulator.script("403_service_disabled")
    with pytest.raises(CredentialsError):
        await refresh(setup)
    assert old(setup) >= CALLS - 3


async def test_told_to_stop_it_lets_the_calls_under_way_come_home(set_up: SetUp) -> None:
    setup = await aged(set_up, concurrency=2, api={"latency_seconds": 0.05})
    stop = Stop()
    done, _ = await asyncio.gather(refresh(setup, stop), stopped_after(setup, CALLS + 2, stop))
    assert done.ending is Ending.STOPPED
    assert 0 < old(setup) == CALLS - done.calls
