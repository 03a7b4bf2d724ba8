"""Real runs at one ledger on a server: killed, and with the server gone for a while."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from postgres_server import PostgresServer

if TYPE_CHECKING:
    from conftest import PrepareShared

CONCURRENCY = 4


def test_four_runs_one_killed_each_second_spend_the_day_to_the_unit_and_lose_nothing(
    prepare_shared: PrepareShared,
) -> None:
    affordable, kills = 400, 3
    crawl = prepare_shared(30_000, concurrency=CONCURRENCY, latency_seconds=0.1, daily_units=affordable * 11 + 10)
    runs = [crawl.start() for _ in range(4)]
    crawl.reach(20, runs[0])
    for number in range(kills):
        time.sleep(1)
        victim = runs.pop(0)
        assert victim.process.poll() is None, f"it should last longer: {number}, {victim.stderr}"
        victim.kill()
        runs.append(crawl.start())
    assert [run.wait() for run in runs] == [0] * 4
    report, status = crawl.simulator.report(), crawl.status()
    lost = kills * CONCURRENCY
    # Paid for by whoever was killed, and perhaps not sent any more: counted by the ledger all the same.
    assert affordable - lost <= report["calls"] <= affordable
    assert report["refused_by_quota"] == 0
    assert status["quota"]["spent"] == affordable * 11
    assert status["calls"]["abandoned"] <= lost
    assert report["ids"]["delivered_more"] <= lost * 50
    assert status["videos"]["claimed"] == 0
    assert status["videos"]["pending"] == 30_000 - 50 * status["calls"]["ok"]
    crawl.assert_sound()


def test_a_server_that_goes_down_in_mid_run_costs_a_reconnection_and_no_call(
    prepare_shared: PrepareShared, server: PostgresServer
) -> None:
    crawl = prepare_shared(5_000, concurrency=5, latency_seconds=0.05)
    run = crawl.start()
    for calls, how in ((20, signal.SIGQUIT), (50, signal.SIGINT)):
        crawl.reach(calls, run)
        server.stop(how)
        time.sleep(0.3)
        server.start()
    assert run.wait() == 0, run.stderr
    report = crawl.simulator.report()
    assert (report["calls"], report["ids"]["delivered_more"]) == (100, 0)
    assert run.stderr.count("connected to the ledger again") == 2
    assert crawl.status()["videos"]["pending"] == 0
    crawl.assert_sound()


def test_where_the_server_is_down_every_command_says_so_with_exit_code_4(
    prepare_shared: PrepareShared, server: PostgresServer
) -> None:
    crawl = prepare_shared(100, concurrency=1, latency_seconds=0)
    server.stop()
    try:
        for command in ("run", "status"):
            done = crawl.harvester.run(command)
            assert done.returncode == 4, done.stderr
            assert "cannot be used now" in done.stderr
            assert "Traceback" not in done.stderr
    finally:
        server.start()
    assert crawl.calls == 0
