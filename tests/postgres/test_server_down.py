"""Real runs at a ledger whose server is gone for a while."""

from __future__ import annotations

import signal

from crawl_children import PrepareCrawl
from postgres_server import PostgresServer
from waiting import wait_until


def test_a_server_that_goes_down_in_mid_run_costs_a_reconnection_and_no_call(
    prepare_crawl: PrepareCrawl, server: PostgresServer
) -> None:
    crawl = prepare_crawl(5_000, concurrency=5)
    run = crawl.start()
    for times, (calls, how) in enumerate(((20, signal.SIGQUIT), (50, signal.SIGINT)), start=1):
        crawl.reach(calls, run)
        server.stop(how)
        wait_until(lambda: run.stderr.count("the connection to the ledger broke") == times)  # noqa: B023
        server.start()
    assert run.wait() == 0, run.stderr
    report = crawl.simulator.report()
    assert (report["calls"], report["ids"]["delivered_more"]) == (100, 0)
    assert run.stderr.count("connected to the ledger again") == 2
    crawl.assert_finished()


def test_where_the_server_is_down_every_command_says_so_with_exit_code_4(
    prepare_crawl: PrepareCrawl, server: PostgresServer
) -> None:
    crawl = prepare_crawl(100, concurrency=1)
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
