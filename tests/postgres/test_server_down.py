"""Real runs at a ledger whose server is gone for a while."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from crawl_children import PrepareCrawl
from postgres_server import PostgresServer
from waiting import LIMIT_SECONDS, wait_until

from harvester.errors import LedgerUnavailable
from harvester.ledger.postgres import statements as sql
from harvester.ledger.postgres.transaction_runner import PostgresTransactionRunner


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


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGSTOP], ids=["gone", "frozen"])
def test_a_second_stop_ends_at_once_while_the_server_is_away(
    prepare_crawl: PrepareCrawl, server: PostgresServer, how: signal.Signals
) -> None:
    crawl = prepare_crawl(10_000, concurrency=5, latency_seconds=0.2)
    run = crawl.start()
    crawl.reach(10, run)
    with away(server, how):
        run.send(signal.SIGTERM)
        wait_until(lambda: "stopping" in run.stderr)
        run.send(signal.SIGTERM)
        assert run.wait(LIMIT_SECONDS) == 4, run.stderr
    assert "Traceback" not in run.stderr
    assert ("the ledger does not answer" in run.stderr) == (how == signal.SIGSTOP)
    crawl.ok("run", "--max-calls", "1")
    crawl.assert_sound()


async def test_a_connector_that_is_told_to_stop_waiting_looks_for_its_server_no_longer(server: PostgresServer) -> None:
    runner = PostgresTransactionRunner(server.new_database(), return_seconds=10 * LIMIT_SECONDS)
    with away(server, signal.SIGQUIT):
        waiting = asyncio.create_task(runner.run(lambda tx: tx.row(sql.LOCK_RUN, run_id=1)))
        runner.stop_waiting()
        with pytest.raises(LedgerUnavailable):
            await asyncio.wait_for(waiting, LIMIT_SECONDS)
    await runner.close()


@contextmanager
def away(server: PostgresServer, how: signal.Signals) -> Iterator[None]:
    """The server, gone or frozen for so long."""
    if how != signal.SIGSTOP:
        server.stop(how)
        yield
        server.start()
        return
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


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
