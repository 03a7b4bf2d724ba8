"""When the API says that the day is spent: believed only when it is worth believing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from crawl_setup import NOON, CrawlSetup, SetUp, assert_all_true, assert_handed_back

from harvester import quota_calendar
from harvester.crawl.run_report import Ending
from harvester.errors import ApiUnavailable

QUOTA_EXCEEDED_DAY = NOON - timedelta(days=NOON.date().toordinal() % 2 == 0)
PER_DAY_429_DAY = QUOTA_EXCEEDED_DAY + timedelta(days=1)
"""The simulated API says "spent" in one form on odd days and in the other on even ones."""
TWO_PAST_MIDNIGHT = datetime(2026, 6, 2, 7, 2, tzinfo=UTC)


def closed_days(setup: CrawlSetup) -> list[date]:
    return [day.day for day in setup.progress.days if day.closed_by_server_at]


@pytest.mark.parametrize("name", ["quota_untrue", "403_quota_old_order", "403_daily_limit"])
async def test_a_day_called_spent_once_goes_on(set_up: SetUp, name: str) -> None:
    setup = await set_up(1_000, api={"latency_seconds": 0.005}, settings={"concurrency": 4})
    setup.simulator.script(name)
    assert (await setup.run()).ending is Ending.NOTHING_LEFT
    assert closed_days(setup) == []
    assert_all_true(setup)


async def test_one_call_asks_once_more_after_a_pause(set_up: SetUp) -> None:
    setup = await set_up(1_000, api={"latency_seconds": 0.01}, settings={"concurrency": 4})
    setup.simulator.script("quota_untrue")
    await setup.run()
    doubted = next(call for call in setup.calls if call.outcome.http_status == 403)
    after = sorted((call for call in setup.calls if call.sent_at > doubted.ended_at), key=lambda call: call.sent_at)
    assert after[0].sent_at - doubted.ended_at >= 60
    assert after[1].sent_at >= after[0].ended_at


@pytest.mark.parametrize("between", ["unexpected_id", "no_items", "400_bad_request"])
async def test_an_answer_to_the_question_ends_the_doubt(set_up: SetUp, between: str) -> None:
    """The API has not confirmed it, whatever it thinks of the batch: the next untrue word is again the first."""
    setup = await set_up(1_000, api={"latency_seconds": 0.005}, settings={"concurrency": 1})
    setup.simulator.script("quota_untrue", between, "quota_untrue")
    assert (await setup.run()).ending is Ending.NOTHING_LEFT
    assert closed_days(setup) == []
    assert_all_true(setup)


@pytest.mark.parametrize("between", ["503", "502_html", "drop", "429"])
async def test_a_fault_in_passing_is_no_answer_to_the_question(set_up: SetUp, between: str) -> None:
    setup = await set_up(1_000, api={"latency_seconds": 0.005}, settings={"concurrency": 1})
    setup.simulator.script("quota_untrue", between, "quota_untrue")
    assert (await setup.run()).ending is Ending.DAY_CLOSED
    assert_handed_back(setup)


@pytest.mark.parametrize(
    ("start", "questions"),
    # A 429 that names the day leaves no doubt; a 403 is asked about once more.
    [(QUOTA_EXCEEDED_DAY, 2), (PER_DAY_429_DAY, 1)],
    ids=["403 quotaExceeded", "429 per day"],
)
async def test_a_day_that_others_have_spent_is_closed(set_up: SetUp, start: datetime, questions: int) -> None:
    setup = await set_up(1_000, api={"clock_start": start}, settings={"concurrency": 1})
    setup.simulator.spend(10_000)
    done = await setup.run()
    assert (done.ending, done.calls) == (Ending.DAY_CLOSED, questions)
    assert setup.simulator.report()["refused_by_quota"] == questions
    assert closed_days(setup) == [start.date()]
    assert_handed_back(setup)
    again = await setup.run()
    assert (again.ending, again.calls) == (Ending.DAY_CLOSED, 0)


@pytest.mark.parametrize("start", [QUOTA_EXCEEDED_DAY, PER_DAY_429_DAY], ids=["403 quotaExceeded", "429 per day"])
async def test_the_next_day_opens_again(set_up: SetUp, start: datetime) -> None:
    setup = await set_up(1_000, api={"clock_start": start})
    setup.simulator.spend(10_000)
    assert (await setup.run(until_done=True)).ending is Ending.NOTHING_LEFT
    assert closed_days(setup) == [start.date()]
    days = setup.simulator.report()["days"]
    assert {day: spent["calls"] for day, spent in days.items()} == {
        str(start.date()): 0,
        str(start.date() + timedelta(days=1)): 20,
    }
    assert_all_true(setup)


async def test_calls_under_way_when_the_day_is_spent_come_home(set_up: SetUp) -> None:
    setup = await set_up(
        2_000, api={"latency_seconds": 0.02, "clock_start": QUOTA_EXCEEDED_DAY}, settings={"concurrency": 8}
    )
    setup.simulator.spend(10_000 - 20 * 11)
    done = await setup.run()
    assert (done.ending, done.good) == (Ending.DAY_CLOSED, 20)
    # Those that were under way together, and one question more.
    assert 2 <= setup.simulator.report()["refused_by_quota"] <= 9
    assert (setup.count_of("fetched") + setup.count_of("missing"), setup.count_of("claimed")) == (1_000, 0)
    assert setup.findings == []


@pytest.mark.parametrize("name", ["403_quota", "429_per_day"])
async def test_a_young_day_is_not_closed_for_yesterdays_answer(set_up: SetUp, name: str) -> None:
    api = {"clock_start": TWO_PAST_MIDNIGHT, "clock_speed": 100.0}
    setup = await set_up(500, api=api, settings={"concurrency": 1})
    setup.simulator.script(name, name)
    assert (await setup.run()).ending is Ending.NOTHING_LEFT
    assert closed_days(setup) == []
    assert_all_true(setup)


async def test_a_young_day_that_is_really_spent_is_closed_after_ten_minutes(set_up: SetUp) -> None:
    setup = await set_up(500, api={"clock_start": TWO_PAST_MIDNIGHT})
    setup.simulator.spend(10_000)
    assert (await setup.run()).ending is Ending.DAY_CLOSED
    (day,) = setup.progress.days
    assert day.closed_by_server_at is not None
    assert day.closed_by_server_at - quota_calendar.day_start(day.day) >= quota_calendar.RESET_GRACE
    # A question a minute.
    assert setup.simulator.report()["refused_by_quota"] <= 4 + 10
    assert_handed_back(setup)


@pytest.mark.parametrize("retry_after", [None, 900.0], ids=["plain", "Retry-After"])
async def test_an_api_that_says_too_fast_for_good_is_an_outage_and_not_the_day(
    set_up: SetUp, retry_after: float | None
) -> None:
    setup = await set_up(1_000, api={"per_minute_calls": 0, "clock_speed": 1000.0}, settings={"concurrency": 10})
    setup.retry_after_seconds = retry_after
    with pytest.raises(ApiUnavailable) as down:
        await setup.run()
    assert "rateLimitExceeded" in down.value.what
    assert "budget is left" in down.value.state
    assert closed_days(setup) == []
    assert setup.simulator.report()["calls"] <= 10 + 40
    assert_handed_back(setup)
