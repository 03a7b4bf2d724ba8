"""kill -9 in the middle of a refresh: nothing stored is lost, and the next one continues."""

from __future__ import annotations

from crawl_children import ChildCrawl, PrepareCrawl, on_both
from waiting import wait_until

CALLS, CONCURRENCY = 40, 4
REFRESH = ("refresh", "--older-than", "25d")


def stored(crawl: ChildCrawl) -> int:
    """Videos in the stored responses, in a consistent ledger."""
    crawl.assert_sound()
    with crawl.reader() as reader:
        return sum(response.body.item_count for response in reader.responses())


@on_both
def test_a_killed_refresh_loses_nothing_and_the_next_goes_on(prepare_crawl: PrepareCrawl) -> None:
    crawl = prepare_crawl(50 * CALLS, concurrency=CONCURRENCY, units_per_call=1)
    crawl.ok("run", "--max-calls", str(CALLS))
    crawl.age()
    before = stored(crawl)
    refresh = crawl.harvester.start(*REFRESH)
    wait_until(lambda: crawl.calls >= CALLS * 4 // 3 or refresh.process.poll() is not None)
    refresh.kill()
    assert stored(crawl) == before
    crawl.ok("export", "songs.json", "--require-complete")
    # Whatever runs next takes its calls back.
    assert "of a run that had died" in crawl.ok("run")
    assert "No stored response is older" in crawl.ok(*REFRESH)
    crawl.assert_finished()
    wasted = crawl.status()["calls"]["abandoned"]
    assert 0 < wasted <= CONCURRENCY
    assert crawl.calls <= 2 * CALLS + wasted


@on_both
def test_runs_at_once_and_killed_ones_fetch_each_statistic_once_a_day(prepare_crawl: PrepareCrawl) -> None:
    crawl = prepare_crawl(50 * CALLS, concurrency=CONCURRENCY, units_per_call=1, latency_seconds=0.02)
    crawl.ok("run")
    crawl.age()
    crawl.harvester.env["HARVESTER_STATISTICS__EVERY"] = "1d"
    killed = crawl.start_and_reach(CALLS // 4)
    killed.kill()
    runs = [crawl.start() for _ in range(3)]
    assert [run.wait() for run in runs] == [0] * 3
    (units,) = (day["units"] for day in crawl.simulator.report()["statistics_days"].values())
    assert CALLS <= units <= CALLS + CONCURRENCY
    with crawl.reader() as reader:
        assert reader.history_size() == CALLS
    crawl.assert_finished()
    assert "tatistics of" not in crawl.ok("run")
    # The killed run may have reserved units of calls that it never sent.
    assert units <= crawl.status()["statistics"]["units_today"] <= units + CONCURRENCY
