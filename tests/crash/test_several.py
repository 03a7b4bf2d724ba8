"""Several runs at once on one ledger share its ids and its budget, whatever becomes of one of them."""

from __future__ import annotations

import asyncio
import math
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from crawl_children import PrepareCrawl, assert_quiet, on_both

from harvester.ledger.open import open_ledger
from harvester.listing_types import ListingKind, Target

OTHER_HOST = Path(__file__).with_name("other_host.py")


@on_both
def test_runs_at_once_share_the_budget_to_the_unit(prepare_crawl: PrepareCrawl) -> None:
    crawl = prepare_crawl(10_000, latency_seconds=0.02, daily_units=1_000)
    runs = [crawl.start() for _ in range(4)]
    assert [run.wait() for run in runs] == [0] * 4
    report = crawl.simulator.report()
    assert (report["calls"], report["refused_by_quota"]) == (90, 0)
    assert [day["units"] for day in report["days"].values()] == [990]
    assert report["ids"]["delivered_more"] == 0
    assert report["ids"]["delivered_once"] == 90 * 50
    status = crawl.status()
    assert (status["quota"]["spent"], status["videos"]["pending"]) == (990, 10_000 - 90 * 50)
    crawl.assert_sound()
    for run in runs:
        assert_quiet(run)
        assert run.stdout.startswith("Budget spent:")


@on_both
def test_runs_at_once_finish_a_crawl_in_the_fewest_calls(prepare_crawl: PrepareCrawl) -> None:
    crawl = prepare_crawl(6_000, latency_seconds=0.02)
    runs = [crawl.start() for _ in range(3)]
    assert [run.wait() for run in runs] == [0] * 3
    assert crawl.simulator.report()["calls"] == 120
    crawl.assert_finished()


@pytest.mark.parametrize(
    ("ledger_url", "hosts"),
    [("sqlite", ["here"] * 3), ("postgres", ["here"] * 3), ("postgres", ["one 3", "two -3", "three 0"])],
    indirect=["ledger_url"],
)
def test_one_of_them_killed_in_the_middle_costs_its_calls_under_way_only(
    prepare_crawl: PrepareCrawl, hosts: list[str]
) -> None:
    """Of other hosts, where no process can be seen, and long before its lease is over: its connection tells.

    Their clocks are so many days ahead: a server's clock tells how old leases are, and the API's which day it is.
    """
    crawl = prepare_crawl(10_000, concurrency=5)
    shutil.copy(OTHER_HOST, crawl.harvester.folder)
    victim, *others = [
        crawl.start() if host == "here" else crawl.harvester.start(*host.split(), "run", module=OTHER_HOST.stem)
        for host in hosts
    ]
    crawl.reach(80, victim)
    victim.kill()
    assert [run.wait() for run in others] == [0, 0], [run.stderr for run in others]
    report = crawl.simulator.report()
    assert report["calls"] <= 200 + 5
    assert report["ids"]["delivered_more"] <= 5 * 50
    # Whoever ended last took back what the dead one held: nothing waits for another run.
    crawl.assert_finished()
    for run in others:
        assert_quiet(run)
    with crawl.reader() as reader:
        runs, days = reader.runs(3), reader.progress().days
    assert sorted(run.reason or "" for run in runs) == ["died", "nothing left", "nothing left"]
    assert {str(day.day) for day in days} == set(report["days"])
    if "here" not in hosts:
        assert sorted(run.host for run in runs) == ["one", "three", "two"]


@pytest.mark.parametrize("ledger_url", ["postgres"], indirect=True)
def test_eight_runs_at_once_read_no_page_of_a_listing_twice(prepare_crawl: PrepareCrawl) -> None:
    crawl = prepare_crawl(0, concurrency=3, latency_seconds=0.02, units_per_call=1)
    uploads = [150 + number for number in range(12)]
    targets = [Target(ListingKind.CHANNEL, f"@songs-{number}") for number in uploads]
    asyncio.run(add_listings(crawl.url, targets))
    runs = [crawl.start() for _ in range(8)]
    assert [run.wait() for run in runs] == [0] * 8, [run.stderr for run in runs]
    report = crawl.simulator.report()
    pages = sum(math.ceil(number / 50) for number in uploads)
    assert report["pages"] == {"distinct": pages, "delivered_once": pages, "delivered_more": 0}
    assert report["endpoints"]["channels.list"]["calls"] == len(uploads)
    assert report["ids"]["delivered_more"] == 0
    with crawl.reader() as reader:
        assert reader.findings() == []
        assert [each.new for each in reader.listings()] == uploads
        progress = reader.progress()
    assert (progress.total, progress.settled) == (sum(uploads),) * 2
    assert progress.days[0].units == report["calls"]
    for run in runs:
        assert_quiet(run)


async def add_listings(url: str, targets: list[Target]) -> None:
    async with open_ledger(url) as ledger:
        await ledger.add_listings(targets, datetime.now(UTC))
