"""`prune` and `retry` beside a run: neither waits for the other for long, and every id is settled in the end."""

from __future__ import annotations

from datetime import UTC, datetime

from crawl_children import PrepareCrawl, on_both

from harvester.model import VideoState

VIDEOS = 3_000


@on_both
def test_ids_are_put_back_under_a_run_which_fetches_them(prepare_crawl: PrepareCrawl) -> None:
    crawl = prepare_crawl(
        VIDEOS, concurrency=4, daily_units=10_000, units_per_call=1, missing_share=0.2, latency_seconds=0.25
    )
    crawl.ok("run", "--max-calls", "30")
    crawl.age()
    with crawl.reader() as reader:
        before = reader.progress()
    run = crawl.start_and_reach(4)
    pruned, put_back = crawl.ok("prune", "--older-than", "30d"), crawl.ok("retry", "--missing")
    assert run.process.poll() is None, "they ended first"
    assert f"{before.videos[VideoState.FETCHED]:,}  pending again" in pruned
    assert int(put_back.split()[1]) > 0
    assert run.wait() == 0, run.stderr
    crawl.ok("verify")
    with crawl.reader() as reader:
        progress = reader.progress()
        videos = progress.videos
        assert videos[VideoState.FETCHED] + videos[VideoState.MISSING] == VIDEOS
        assert progress.pruned.responses == 30
        assert reader.older(datetime(2021, 1, 1, tzinfo=UTC)).responses == 0
        good = sum(day.ok for day in progress.days)
    assert good == crawl.calls
    # 60 for all, 24 to 30 for what was put back of the first 30, and some for what the run itself missed meanwhile.
    assert 60 + 24 <= good <= 60 + 30 + 15
