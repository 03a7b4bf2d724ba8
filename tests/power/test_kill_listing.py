"""kill -9 at a named point of a page: its ids and the next page's token are stored together, or neither is."""

from __future__ import annotations

import asyncio
import json
import signal
from datetime import UTC, datetime

import pytest
from crawl_children import ChildCrawl, PrepareCrawl, on_both
from dying import PROGRAM
from forks import run

from harvester.ledger import open as ledger_open
from harvester.listing_types import ListingKind, ListingState, Target
from harvester.simulator import channel_named

UPLOADS, PAGES = 170, 4
POINTS = [
    "before a listing is claimed",
    "within the transaction that claims a listing",
    "before a page is asked for",
    "before a page is settled",
    "within the transaction that settles a page",
    "after a page is committed",
]


async def discover(crawl: ChildCrawl, *names: str) -> None:
    async with ledger_open.open_ledger(crawl.url) as ledger:
        targets = [Target(ListingKind.CHANNEL, name) for name in names]
        await ledger.add_listings(targets, datetime.now(UTC))


@on_both
@pytest.mark.parametrize("point", POINTS)
def test_the_next_run_goes_on_at_the_page_that_was_under_way(prepare_crawl: PrepareCrawl, point: str) -> None:
    crawl = prepare_crawl(0, concurrency=1, latency_seconds=0, units_per_call=1, daily_units=100)
    asyncio.run(discover(crawl, f"@songs-{UPLOADS}"))
    death = json.dumps({"point": point, "visit": 3})
    died = run(PROGRAM, [death, "run"], folder=crawl.harvester.folder, env=crawl.harvester.environment())
    assert died.returncode == -signal.SIGKILL, died.stderr
    with crawl.reader() as reader:
        assert reader.findings() == []
        (cut,) = reader.listings()
    assert cut.new == cut.pass_items == 50 * cut.pages
    crawl.ok("run")
    with crawl.reader() as reader:
        assert reader.findings() == []
        (done,) = reader.listings()
        states = list(reader.states())
        day = reader.progress().days[0]
    assert (done.state, done.pages, done.new, done.pass_items) == (ListingState.DONE, PAGES, UPLOADS, UPLOADS)
    channel = channel_named(f"songs-{UPLOADS}")
    assert channel is not None
    assert [video_id for video_id, _ in states] == list(channel.video_ids(0, reversed(range(UPLOADS))))
    report = crawl.simulator.report()
    assert report["pages"]["distinct"] == PAGES
    assert report["pages"]["delivered_more"] <= 1
    seen, under_way = report["calls"], day.abandoned
    assert under_way <= 1
    assert seen <= day.units == day.calls <= seen + under_way
