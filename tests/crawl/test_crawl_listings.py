"""Channels and playlists in a crawl: read before the ids, page after page, over days, faults and stops."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from crawl_setup import CrawlSetup, SetUp, stopped_after

from harvester.crawl.fault_attribution import PROBE
from harvester.crawl.run_report import Ending
from harvester.crawl.stop import Stop
from harvester.errors import ApiUnavailable, CredentialsError
from harvester.listing_types import ListingState
from harvester.simulator import channel_named

FAST = {"latency_seconds": 0.001}


def uploads(name: str) -> str:
    channel = channel_named(name.removeprefix("@"))
    assert channel is not None
    return channel.uploads_playlist


def endpoints(setup: CrawlSetup) -> dict[str, Any]:
    counts: dict[str, dict[str, int]] = setup.simulator.report()["endpoints"]
    return {name: count["calls"] for name, count in counts.items()}


def states(setup: CrawlSetup) -> dict[str, str]:
    return {name: listing.state.value for name, listing in setup.listings.items()}


async def test_they_are_read_before_the_ids_which_are_fetched_in_the_same_run(set_up: SetUp) -> None:
    setup = await set_up(60, api=FAST)
    await setup.discover("@songs-120", "@nobody", f"PL{'music-70':_<32}", "@private-9", "@songs-0")
    report = await setup.run()
    assert report.ending is Ending.NOTHING_LEFT
    assert states(setup) == {
        "@songs-120": "done",
        "@nobody": "failed",
        f"PL{'music-70':_<32}": "done",
        "@private-9": "failed",
        "@songs-0": "failed",
    }
    reasons = [listing.reason for listing in setup.listings.values() if listing.reason]
    assert reasons == ["channelNotFound", "playlistItemsNotAccessible", "playlistNotFound"]
    assert endpoints(setup) == {"channels.list": 4, "playlistItems.list": 7, "videos.list": 5}
    assert setup.progress.total == 60 + 120 + 70
    assert (report.pages, report.listed, report.calls, report.good) == (5, 190, 16, 16)
    assert setup.untrue() == {}
    assert setup.findings == []
    # As the API counts them, which is at its own price for videos.
    counted = setup.simulator.report()["endpoints"].values()
    assert setup.units == sum(each["units"] for each in counted)
    first_of_videos = next(number for number, call in enumerate(setup.calls) if len(call.ids) > 1)
    assert first_of_videos == 11


@pytest.mark.parametrize("again_a_day", [False, True])
async def test_a_quota_that_ends_leaves_the_rest_to_the_next_days(set_up: SetUp, again_a_day: bool) -> None:
    """`--until-done` does in one run what several runs do."""
    setup = await set_up(0, api=FAST | {"daily_units": 7, "units_per_call": 1})
    await setup.discover("@songs-500", "@songs-130")
    runs = 0
    while setup.listings["@songs-500"].state is not ListingState.DONE or setup.count_of("pending"):
        report = await setup.run(until_done=not again_a_day)
        runs += 1
        if again_a_day and report.ending is Ending.BUDGET_SPENT:
            setup.clock.leap_to(setup.clock.now() + timedelta(days=1))  # type: ignore[attr-defined]
    # 2 channels, 13 pages and 13 batches of ids are 28 units, 7 a day.
    assert runs == (4 if again_a_day else 1)
    assert states(setup) == {"@songs-500": "done", "@songs-130": "done"}
    assert setup.count_of("fetched") + setup.count_of("missing") == 630
    counts = setup.simulator.report()
    assert counts["pages"] == {"distinct": 13, "delivered_once": 13, "delivered_more": 0}
    assert counts["refused_by_quota"] == 0
    assert max(day["units"] for day in counts["days"].values()) <= 7
    assert setup.findings == []


async def test_new_uploads_cost_the_pages_that_they_are_on(set_up: SetUp) -> None:
    setup = await set_up(0, api=FAST)
    await setup.discover("@news-120-60")
    await setup.run()
    setup.clock.leap_to(setup.clock.now() + timedelta(days=1))  # type: ignore[attr-defined]
    await setup.discover(again=True)
    await setup.run()
    listing = setup.listings["@news-120-60"]
    # 60 are new: ten on the second page, whose other ids are known; so the third tells that the rest is.
    assert (listing.pages, listing.pass_pages, listing.new) == (3 + 3, 3, 180)
    assert setup.progress.total == 180
    assert setup.findings == []


async def test_a_token_that_has_expired_begins_the_reading_again(set_up: SetUp) -> None:
    setup = await set_up(0, api=FAST | {"page_token_days": 0})
    await setup.discover("@songs-230")
    await setup.run(max_calls=3)
    assert setup.listings["@songs-230"].pages == 2
    setup.clock.leap_to(setup.clock.now() + timedelta(days=2))  # type: ignore[attr-defined]
    await setup.run()
    listing = setup.listings["@songs-230"]
    assert (listing.state, listing.pages, listing.pass_pages, listing.new) == (ListingState.DONE, 7, 5, 230)
    assert setup.findings == []


@pytest.mark.parametrize(
    "fault", ["503", "drop", "cut_gzip", "no_items", "wrong_kind", "empty_200", "429", "quota_untrue"]
)
async def test_a_call_that_meets_a_fault_is_made_again(set_up: SetUp, fault: str) -> None:
    setup = await set_up(0, api=FAST, settings={"concurrency": 1})
    await setup.discover("@songs-120")
    setup.simulator.script(fault)
    report = await setup.run()
    assert report.ending is Ending.NOTHING_LEFT
    assert (setup.listings["@songs-120"].pages, setup.progress.total) == (3, 120)
    assert setup.simulator.report()["pages"]["delivered_more"] == 0
    assert setup.findings == []


async def test_what_can_t_be_listed_for_now_keeps_nothing_else_from_being_fetched(set_up: SetUp) -> None:
    setup = await set_up(30, api=FAST, broken=[uploads("@songs-60")], settings={"max_attempts": 3})
    await setup.discover("@songs-60", "@songs-170")
    report = await setup.run()
    assert report.ending is Ending.NOTHING_LEFT
    assert states(setup) == {"@songs-60": "pending", "@songs-170": "done"}
    assert setup.count_of("pending") == 0
    asked = [call for call in setup.calls if call.ids == (uploads("@songs-60"),)]
    assert 3 <= len(asked) <= 4
    assert setup.findings == []
    setup.broken = ()
    await setup.run()
    assert states(setup) == {"@songs-60": "done", "@songs-170": "done"}


async def test_the_only_listing_is_given_up_once_a_probe_was_answered(set_up: SetUp) -> None:
    setup = await set_up(30, api=FAST, broken=[uploads("@songs-60")], settings={"max_attempts": 2})
    await setup.discover("@songs-60")
    report = await setup.run()
    assert (report.ending, report.wasted[PROBE]) == (Ending.NOTHING_LEFT, 1)
    assert states(setup) == {"@songs-60": "pending"}
    assert setup.count_of("pending") == 0
    # Whether the probe's playlist is there makes no difference: the API has answered.
    assert ("UU_x5XG1OV2P6uZZ5FSM9Ttw",) in [call.ids for call in setup.calls]


async def test_an_endpoint_that_is_down_ends_the_run_after_the_ids(
    set_up: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = await set_up(130, api=FAST, settings={"patience_seconds": 30, "concurrency": 2})
    await setup.discover("@songs-60", f"PL{'music-70':_<32}")
    setup.simulator.script(*["503"] * 40)
    with pytest.raises(ApiUnavailable) as caught:
        await setup.run()
    assert "harvester run" in str(caught.value)
    assert setup.findings == []
    assert ListingState.CLAIMED not in {listing.state for listing in setup.listings.values()}


async def test_a_key_that_is_refused_ends_the_run_at_once(set_up: SetUp) -> None:
    setup = await set_up(60, api=FAST | {"valid_key": "another"}, settings={"concurrency": 1})
    await setup.discover("@songs-60")
    with pytest.raises(CredentialsError):
        await setup.run()
    assert len(setup.calls) == 1
    assert states(setup) == {"@songs-60": "pending"}


@pytest.mark.parametrize("calls", [1, 3, 5])
async def test_the_most_calls_count_over_all_phases(set_up: SetUp, calls: int) -> None:
    setup = await set_up(200, api=FAST)
    await setup.discover("@songs-60", "@songs-20")
    report = await setup.run(max_calls=calls)
    assert (report.ending, report.calls) == (Ending.MAX_CALLS, calls)
    assert setup.simulator.report()["calls"] == calls
    assert setup.findings == []


async def test_a_stop_while_pages_are_read_leaves_nothing_claimed(set_up: SetUp) -> None:
    setup = await set_up(200, api={"latency_seconds": 0.05})
    await setup.discover("@songs-9000")
    stop = Stop()
    report, _ = await asyncio.gather(setup.run(stop), stopped_after(setup, 4, stop))
    assert report.ending is Ending.STOPPED
    assert states(setup) == {"@songs-9000": "pending"}
    assert "videos.list" not in endpoints(setup)
    assert setup.listings["@songs-9000"].pages == setup.simulator.report()["pages"]["distinct"]
    assert setup.findings == []
