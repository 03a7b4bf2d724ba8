"""A channel that is listed and fetched over three quota days by runs that are killed: no page and no id is lost."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from children import Child, Simulate
from crawl_children import ask, on_both_unmade
from waiting import wait_until

from harvester import quota_calendar
from harvester.app import Harvester
from harvester.config import isolated_config
from harvester.ledger.open import open_reader
from harvester.listing_types import MAX_ITEMS, PAGE_SIZE, ListingKind, ListingRecord, Target
from harvester.model import VideoState
from harvester.simulator import SimulatorProcess, channel_named, truth

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
PRICE, CONCURRENCY = 11, 2
RUN = Path(__file__).with_name("discovering.py")


@dataclass
class Discovery:
    """The crawl of one channel, a process a run."""

    simulator: SimulatorProcess
    url: str
    folder: Path
    uploads: int
    kills: int
    rng: random.Random = field(default_factory=lambda: random.Random(5))

    @property
    def settings(self) -> dict[str, Any]:
        units = {"daily_units": self.simulator.settings.daily_units, "units_per_call": PRICE}
        return {
            "ledger": {"url": self.url},
            "youtube": {"base_url": self.simulator.base_url},
            "quota": units,
            "run": {"concurrency": CONCURRENCY},
        }

    def discover(self) -> None:
        target = Target(ListingKind.CHANNEL, f"@songs-{self.uploads}")
        asyncio.run(Harvester(isolated_config(self.settings)).discover([target]))

    def one_day(self) -> None:
        """Runs of which some are killed at a moment by chance; the last ends by itself."""
        for _ in range(self.kills):
            run, calls = self._start(), self._calls() + self.rng.randint(1, max(2, self.uploads // 200))
            wait_until(lambda run=run, calls=calls: self._calls() >= calls or run.process.poll() is not None)
            time.sleep(self.rng.uniform(0, 0.02))  # pause: it dies at a moment by chance
            run.kill()
        last = self._start()
        assert last.wait() == 0, last.stderr

    def next_day(self) -> None:
        self.simulator.jump_clock(quota_calendar.resets_at(self._now()) + timedelta(minutes=5))

    def is_done(self) -> bool:
        with open_reader(self.url) as reader:
            assert reader.findings() == []
            progress = reader.progress()
            return progress.total > 0 and progress.settled == progress.asked_for

    def listing(self) -> ListingRecord:
        with open_reader(self.url) as reader:
            [listing] = reader.listings()
        return listing

    def states(self) -> dict[str, VideoState]:
        with open_reader(self.url) as reader:
            return dict(reader.states())

    def _start(self) -> Child:
        arguments = [json.dumps(self.settings), self._now().isoformat()]
        return Child(RUN, arguments, self.folder, os.environ, subprocess.DEVNULL)

    def _now(self) -> datetime:
        return datetime.fromisoformat(self.simulator.report()["now"])

    def _calls(self) -> int:
        calls: int = self.simulator.report()["calls"]
        return calls


def assert_units_agree(crawl: Discovery, days: int) -> str:
    """The ledger has each call that the API saw, at its price, and of killed runs those that they did not send."""
    report = crawl.simulator.report()
    reserved = dict(ask(crawl.url, "SELECT day, units_reserved FROM quota_days"))
    assert (len(reserved), report["refused_by_quota"]) == (days, 0)
    for day, counts in report["days"].items():
        assert counts["units"] <= reserved[day] <= crawl.simulator.settings.daily_units
    good = "count(*) FILTER (WHERE state = 'ok')"
    asked = ask(crawl.url, f"SELECT endpoint, count(*), sum(units), {good} FROM calls GROUP BY endpoint")
    told = []
    for endpoint, calls, units, ok in asked:
        seen = report["endpoints"][endpoint]
        price = PRICE if endpoint == "videos.list" else 1
        assert (units, seen["units"]) == (calls * price, seen["calls"] * price)
        assert ok <= seen["calls"] <= calls <= ok + crawl.kills * days * CONCURRENCY
        told.append(f"{endpoint}: {ok} good; ledger {calls} calls, {units} units; API {seen['calls']}, {seen['units']}")
    return "\n".join(told)


def discovered(crawl: Discovery, days: int) -> str:
    """Discover and fetch on so many days, and check that each page and each id is there once. What was counted."""
    crawl.discover()
    for day in range(days):
        assert not crawl.is_done()
        crawl.one_day()
        if day < days - 1:
            crawl.next_day()
    assert crawl.is_done()
    listing, states, pages = crawl.listing(), crawl.states(), crawl.simulator.report()["pages"]
    served = min(crawl.uploads, MAX_ITEMS)
    fewest = math.ceil(served / PAGE_SIZE)
    assert (listing.pages, listing.found, listing.new) == (fewest, served, served)
    assert (listing.capped, listing.reported_total) == (crawl.uploads > MAX_ITEMS, crawl.uploads)
    assert pages["distinct"] == fewest
    assert pages["delivered_more"] <= crawl.kills * days
    channel = channel_named(f"songs-{crawl.uploads}")
    assert channel is not None
    newest_first = channel.video_ids(0, reversed(range(crawl.uploads - served, crawl.uploads)))
    assert {video_id: state.label for video_id, state in states.items()} == {each: truth(each) for each in newest_first}
    ids = crawl.simulator.report()["ids"]
    assert ids["distinct"] == served
    assert ids["delivered_more"] <= crawl.kills * days * CONCURRENCY * PAGE_SIZE
    return f"{assert_units_agree(crawl, days)}\npages {pages}\nids {ids}"


@on_both_unmade
def test_a_channel_is_read_and_fetched_over_three_days_by_runs_that_are_killed(
    simulate: Simulate, ledger_url: str, tmp_path: Path
) -> None:
    # 1 + 24 + 24 * 11 units, and up to 66 of killed calls: three days of 142, never two.
    api = simulate(daily_units=142, clock_start=START, latency_seconds=0.02)
    discovered(Discovery(api, ledger_url, tmp_path, uploads=1_200, kills=1), days=3)
