"""Channels and playlists in sum, one by one, and in what is said of the whole crawl."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from harvester.config import QuotaSettings
from harvester.crawl.run_report import RunReport
from harvester.listing_types import ListingKind, ListingRecord, ListingState
from harvester.model import Progress, QuotaDay, RunRecord, VideoState
from harvester.report.crawl_status import Status, crawl_status
from harvester.report.days import Course
from harvester.report.listings import Listings, how_far, name_of
from harvester.report.next_steps import NO_VIDEOS, SETTLED, next_step, steps
from harvester.report.page.render import tiles
from harvester.report.progress_figures import Outlook
from harvester.report.result_types import Overview
from harvester.report.status_screen import Screen
from harvester.report.summary import Summary
from harvester.report.webhook_message import day_summary

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
NEW = ListingRecord(
    id=1,
    kind=ListingKind.CHANNEL,
    target="@songs",
    state=ListingState.PENDING,
    channel_id=None,
    playlist_id=None,
    title=None,
    pages=0,
    pass_pages=0,
    pass_items=0,
    reported_total=None,
    capped=False,
    reason=None,
    added_at=NOW,
    finished_at=None,
    load_id=None,
)
HALF = replace(NEW, title="Songs", pages=100, pass_pages=100, pass_items=5_000, reported_total=30_000, capped=True)
HALF = replace(HALF, state=ListingState.CLAIMED, found=5_000, new=4_990)
DONE = replace(
    HALF, state=ListingState.DONE, finished_at=NOW, pages=400, pass_pages=400, pass_items=20_000, found=20_000
)
WHOLE = replace(DONE, capped=False, reported_total=20_000)
LOST = replace(NEW, target="@gone", state=ListingState.FAILED, reason="channelNotFound", finished_at=NOW)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (NEW, "not read yet"),
        (HALF, "100 of 400 pages, 5,000 ids found"),
        (DONE, "read; the API gives 20,000 of its 30,000 items"),
        (replace(WHOLE, capped=True), "read; the API gives 20,000 items at most"),
        (WHOLE, "read; 20,000 ids found"),
        (LOST, "failed: channelNotFound"),
        (replace(DONE, state=ListingState.PENDING, pass_pages=0, pass_items=0), "to be read again"),
        (replace(HALF, pass_items=20_400, pass_pages=408), "408 of 409 pages, 5,000 ids found"),
    ],
)
def test_how_far_one_is(record: ListingRecord, said: str) -> None:
    assert how_far(record) == said


def test_its_name_is_the_handle_or_title_and_id() -> None:
    assert name_of(HALF) == "@songs"
    assert name_of(replace(HALF, target="UCx", title="So\x1b[2J many " * 9)).endswith("… (UCx)")
    assert name_of(replace(NEW, target="PLx")) == "PLx"


def test_many_are_summed_up_and_what_is_not_read_comes_first() -> None:
    listings = Listings([WHOLE, NEW, DONE, HALF, LOST])
    assert listings.in_words == "5: 2 read, 2 to read, 1 failed"
    assert listings.brought == "900 pages, at least 301 to come; 45,000 ids found, 14,970 new"
    assert listings.notable == [LOST, NEW, HALF, DONE]


def _summary(listings: list[ListingRecord], *, pending: int = 0, fetched: int = 0, spent: int = 0) -> Summary:
    videos = dict.fromkeys(VideoState, 0) | {VideoState.PENDING: pending, VideoState.FETCHED: fetched}
    days = (QuotaDay(NOW.date(), units=spent, calls=1, ok=1),) if spent else ()
    return Summary(Progress(videos, days), QuotaSettings(), NOW, listings)


@pytest.mark.parametrize(
    ("summary", "step"),
    [
        (_summary([NEW]), "Next: harvester run"),
        (_summary([NEW], spent=9_999), "Next: harvester run"),
        (_summary([NEW], spent=10_000), "Nothing to do until the quota is reset"),
        (_summary([HALF], pending=5, spent=9_999), "Nothing to do until the quota is reset"),
        (_summary([HALF], fetched=5), "Next: harvester run"),
        (_summary([DONE], fetched=5), "Every id is settled."),
        (_summary([LOST]), NO_VIDEOS),
    ],
)
def test_the_next_step_knows_of_them(summary: Summary, step: str) -> None:
    assert next_step(summary).startswith(step)


def test_a_failed_one_is_told_with_its_reason() -> None:
    told = steps(Overview(_summary([LOST, NEW, replace(LOST, target="@other")]), [], NOW))
    assert told[0] == "Not listed: @gone: channelNotFound and 1 more. See all: harvester status --listings"


def test_the_bar_is_not_full_while_ids_are_still_to_be_found() -> None:
    def share(summary: Summary) -> float | None:
        return Outlook(summary, RunReport()).figures(RunReport(calls=1, pages=1), calls_a_second=1.0).share

    assert (share(_summary([NEW])), share(_summary([HALF], fetched=5))) == (None, None)
    assert (share(_summary([HALF], fetched=5, pending=15)), share(_summary([DONE], fetched=5))) == (0.25, 1.0)


def _status(summary: Summary, *runs: RunRecord) -> tuple[Status, str]:
    judged = crawl_status(Overview(summary, runs, NOW), Course(NOW.date(), ()))
    return judged.status, judged.sentence


def test_a_crawl_is_not_done_before_all_are_read() -> None:
    to_come = "The next run looks for videos in 1 listing."
    assert _status(_summary([NEW])) == (Status.NOT_STARTED, to_come)
    assert _status(_summary([HALF], fetched=5, spent=11)) == (Status.ON_TIME, to_come)
    assert _status(_summary([DONE], fetched=5, spent=11))[0] is Status.DONE
    assert _status(_summary([LOST])) == (Status.NOT_STARTED, NO_VIDEOS)


def test_the_summary_of_a_day_and_the_tiles_name_what_is_to_be_read() -> None:
    def texts(summary: Summary) -> tuple[str, str]:
        text: str = day_summary("crawl", "harvest.db", "budget spent", Overview(summary, [], NOW))["text"]
        return text.splitlines()[2], tiles(summary)[1].value

    assert texts(_summary([HALF], fetched=5)) == ("1 listing is to be read, at least 300 pages.", "not known yet")
    assert texts(_summary([DONE], fetched=5)) == (SETTLED, "2026-11-23")
    told, ends_on = texts(_summary([NEW], pending=5, fetched=5))
    assert told.endswith("until 2026-11-23. 1 listing is to be read, at least 1 page.")
    assert ends_on == "2026-11-23"


def test_an_end_in_sight_is_one_without_ids_still_to_be_found() -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(Screen(Overview(_summary([HALF], pending=5, fetched=5), [], NOW)))
    assert "done on 2026-11-23, without ids still to be found " in out.getvalue()


def test_the_screen_names_those_that_need_a_look() -> None:
    out = io.StringIO()
    screen = Screen(Overview(_summary([WHOLE, DONE, HALF, NEW, LOST]), [], NOW + timedelta(minutes=1)))
    Console(file=out, width=100, highlight=False, markup=False, emoji=False).print(screen)
    told = " ".join(out.getvalue().split())
    assert "listings 5: 2 read, 2 to read, 1 failed; 900 pages, at least 301 to come" in told
    assert "@gone failed: channelNotFound @songs 100 of 400 pages" in told
    assert "and 1 more: harvester status --listings" in told
