"""kill -9 at any moment costs at most the calls under way, and the next run starts at once."""

from __future__ import annotations

import random
import re
import signal
import sqlite3
import subprocess
import time
from datetime import UTC, datetime

from children import Program
from crawl_children import PrepareCrawl, ask, on_both
from waiting import wait_until

from harvester.simulator import make_ids

VIDEOS, CONCURRENCY, KILLS = 8_000, 10, 4


@on_both
def test_a_run_killed_again_and_again_loses_no_id_and_pays_for_little_twice(prepare_crawl: PrepareCrawl) -> None:
    least = VIDEOS // 50
    wasted_most = KILLS * CONCURRENCY
    crawl = prepare_crawl(VIDEOS, concurrency=CONCURRENCY, units_per_call=1, daily_units=least + wasted_most)
    rng = random.Random(7)
    for _ in range(KILLS):
        run = crawl.start_and_reach(more_calls=rng.randint(1, 35))
        time.sleep(rng.uniform(0, 0.05))  # pause: it dies at a moment by chance
        run.kill()
    last = crawl.start()
    assert last.wait() == 0, last.stderr
    assert "Every id is settled." in last.stdout
    report = crawl.simulator.report()
    assert report["ids"]["distinct"] == VIDEOS
    assert report["ids"]["delivered_once"] + report["ids"]["delivered_more"] == VIDEOS
    assert report["ids"]["delivered_more"] <= wasted_most * 50
    assert report["refused_by_quota"] == 0
    assert all(day["units"] <= least + wasted_most for day in report["days"].values())
    crawl.assert_finished()
    crawl.ok("verify")
    status = crawl.status()
    assert status["calls"]["ok"] == least
    assert status["calls"]["abandoned"] <= wasted_most
    # A crash may over-count, never under-count.
    assert status["quota"]["spent"] >= sum(day["units"] for day in report["days"].values())


@on_both
def test_after_a_kill_readers_see_a_sound_ledger_and_the_next_run_starts_at_once(prepare_crawl: PrepareCrawl) -> None:
    crawl = prepare_crawl(5_000)
    crawl.start_and_reach(40).kill()
    crawl.ok("verify")
    videos = crawl.status()["videos"]
    assert videos["claimed"] > 0
    assert sum(count for state, count in videos.items() if state != "total") == videos["total"] == 5_000
    crawl.ok("export", "partial.json")
    crawl.ok("verify", "--export", "partial.json")
    seen = crawl.calls
    run = crawl.start()
    wait_until(lambda: crawl.calls > seen or run.process.poll() is not None)
    # Its start-up is all that it takes: the lease of the dead run is not over yet.
    ((lease_until,),) = ask(crawl.url, "SELECT min(lease_until) FROM runs")
    assert datetime.fromisoformat(lease_until) > datetime.now(UTC)
    assert run.wait() == 0
    assert re.search(r"^Taken back first: \d+ calls? of a run that had died\.$", run.stdout, re.MULTILINE)
    crawl.assert_finished()


@on_both
def test_status_verify_and_export_work_beside_a_running_crawl(prepare_crawl: PrepareCrawl) -> None:
    # Under way for 40 s, unless it is stopped.
    crawl = prepare_crawl(20_000, latency_seconds=1.0)
    run = crawl.start_and_reach(11)
    videos = crawl.status()["videos"]
    crawl.ok("verify")
    crawl.ok("export", "partial.json.gz", "--compression", "gzip")
    crawl.ok("run", "--dry-run")
    assert run.process.poll() is None, "the run ended before it was looked at"
    assert 0 < videos["fetched"] < videos["total"]
    assert videos["claimed"] > 0
    crawl.ok("verify", "--export", "partial.json.gz")
    run.send(signal.SIGTERM)
    assert run.wait() == 0
    assert crawl.simulator.report()["ids"]["delivered_more"] == 0
    crawl.assert_sound()


def rows(program: Program) -> list[tuple[int, str, int]]:
    with sqlite3.connect(program.folder / "harvest.db") as db:
        found = db.execute("SELECT position, video_id, state FROM videos ORDER BY position").fetchall()
    db.close()
    return found


def loaded_so_far(program: Program) -> int:
    try:
        db = sqlite3.connect(f"file:{program.folder / 'harvest.db'}?mode=ro", uri=True)
        try:
            return int(db.execute("SELECT coalesce(max(position), 0) FROM videos").fetchone()[0])
        finally:
            db.close()
    except sqlite3.OperationalError:
        return 0


def test_a_load_killed_halfway_and_repeated_equals_one_that_was_not_cut(harvester: Program) -> None:
    # More than are added at a time.
    ids = list(make_ids(0, 400_000))
    lines = "\n".join(["song", *(f"{video_id}" for video_id in ids + ids[:5_000]), "not an id", ""])
    songs = harvester.folder / "songs.csv"
    songs.write_text(lines, encoding="utf-8")
    cut = harvester.start("load", "-", stdin=subprocess.PIPE)
    assert cut.process.stdin is not None
    # The pipe stays open behind the first part, so that the load is in the middle whenever it is killed.
    cut.process.stdin.write(lines.encode()[: len(lines) * 9 // 10])
    cut.process.stdin.flush()
    wait_until(lambda: loaded_so_far(harvester) > 0)
    cut.kill()
    kept = loaded_so_far(harvester)
    assert 0 < kept < 400_000
    again = harvester.here("load", "songs.csv")
    assert again.returncode == 0, again.stderr
    figures = {line.rsplit(maxsplit=1)[0]: line.rsplit(maxsplit=1)[1] for line in again.stdout.splitlines()[:5]}
    assert figures == {
        "rows read": "405,001",
        "distinct": "400,001",
        "new": f"{400_001 - kept:,}",
        "already there": f"{kept:,}",
        "invalid": "1",
    }
    assert [video_id for _, video_id, state in rows(harvester) if state == 0] == ids
    assert [position for position, _, _ in rows(harvester)] == list(range(1, 400_002))
    assert harvester.here("verify").returncode == 0
