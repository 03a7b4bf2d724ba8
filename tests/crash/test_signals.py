"""SIGTERM and SIGINT: the first drains, the second ends at once; both leave a consistent ledger and exit with 0."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from crawl_children import PrepareCrawl, assert_quiet
from waiting import LIMIT_SECONDS, wait_until

# What ends a run well does so whatever the signal and whatever the ledger: each is tried with one of the other.
signals = pytest.mark.parametrize(
    ("number", "ledger_url"), [(signal.SIGTERM, "sqlite"), (signal.SIGINT, "postgres")], indirect=["ledger_url"]
)


@signals
def test_one_signal_lets_the_calls_under_way_come_home(prepare_crawl: PrepareCrawl, number: signal.Signals) -> None:
    crawl = prepare_crawl(10_000, latency_seconds=0.2)
    run = crawl.start_and_reach(15)
    run.send(number)
    assert run.wait() == 0
    report = crawl.simulator.report()
    assert (report["gone"], report["calls"]) == (0, report["good"])
    assert run.stdout.startswith("Stopped:")
    assert_quiet(run)
    videos = crawl.status()["videos"]
    assert videos["claimed"] == 0
    assert videos["fetched"] + videos["missing"] == report["good"] * 50
    crawl.assert_sound()


@signals
def test_a_second_signal_ends_at_once_and_the_ledger_is_consistent(
    prepare_crawl: PrepareCrawl, number: signal.Signals
) -> None:
    # No call would come home by itself.
    crawl = prepare_crawl(10_000, latency_seconds=2 * LIMIT_SECONDS)
    crawl.harvester.env["HARVESTER_RUN__TIMEOUT_SECONDS"] = str(2 * LIMIT_SECONDS)
    run = crawl.start_and_reach(10)
    run.send(number)
    wait_until(lambda: "stopping" in run.stderr)
    run.send(number)
    assert run.wait() == 0
    assert_quiet(run)
    status = crawl.status()
    assert (status["videos"]["claimed"], status["videos"]["pending"]) == (0, 10_000)
    assert (status["calls"]["abandoned"], status["quota"]["spent"]) == (10, 110)
    crawl.assert_sound()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once_while_another_process_holds_the_ledger(
    prepare_crawl: PrepareCrawl, number: signal.Signals
) -> None:
    crawl = prepare_crawl(10_000, latency_seconds=0.05)
    run = crawl.start_and_reach(15)
    with closing(sqlite3.connect(crawl.harvester.folder / "harvest.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        run.send(number)
        wait_until(lambda: "stopping" in run.stderr)
        run.send(number)
        assert run.wait() == 4
    assert "The ledger harvest.db is locked by another process." in run.stderr
    assert "does not answer" not in run.stderr
    assert_quiet(run)
    crawl.ok("run", "--max-calls", "1")
    assert crawl.status()["videos"]["claimed"] == 0
    crawl.assert_sound()


def test_a_terminal_that_is_gone_lets_them_come_home_too(prepare_crawl: PrepareCrawl) -> None:
    crawl = prepare_crawl(10_000, latency_seconds=0.2)
    run = crawl.start_and_reach(15)
    run.send(signal.SIGHUP)
    assert run.wait(LIMIT_SECONDS) == 0
    assert run.stdout.startswith("Stopped:")
    assert crawl.status()["videos"]["claimed"] == 0


def test_nohup_is_heeded(prepare_crawl: PrepareCrawl) -> None:
    crawl = prepare_crawl(500, concurrency=1, latency_seconds=0.1)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ignoring = subprocess.Popen(
            [sys.executable, "-m", "harvester", "run"],
            cwd=crawl.harvester.folder,
            env=os.environ | {"NO_PROXY": "127.0.0.1"} | crawl.harvester.env,
            stderr=subprocess.DEVNULL,
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_until(lambda: crawl.calls)
    ignoring.send_signal(signal.SIGHUP)
    assert ignoring.wait(LIMIT_SECONDS) == 0
    crawl.assert_finished()


def test_a_run_that_sleeps_until_the_next_day_ends_when_it_is_told_to(prepare_crawl: PrepareCrawl) -> None:
    crawl = prepare_crawl(1_000, latency_seconds=0, daily_units=110)
    run = crawl.start("--until-done")
    wait_until(lambda: "sleeping until the quota is reset" in run.stderr)
    run.send(signal.SIGTERM)
    assert run.wait() == 0
    assert_quiet(run)
    assert crawl.status()["quota"]["spent"] == 110


def test_what_was_stopped_goes_on_with_the_next_run(prepare_crawl: PrepareCrawl) -> None:
    crawl = prepare_crawl(5_000)
    for _ in range(2):
        run = crawl.start_and_reach(15)
        run.send(signal.SIGTERM)
        assert run.wait() == 0
    crawl.ok("run")
    report = crawl.simulator.report()
    assert (report["calls"], report["ids"]["delivered_more"]) == (100, 0)
    crawl.assert_finished()
