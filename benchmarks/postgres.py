"""The ledger in PostgreSQL: `python -m benchmarks.postgres [runs] [claims] [copy]`; all of it takes ten minutes.

The server is the one that the tests use, on the same machine, and so are the runs and the API: what is told is what the
processors of this machine can do together. Here the server waits for its disk, as it does not in the tests.

Not part of `make bench`: it needs what the others do not, and 10 GB of disk.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import psycopg

from benchmarks.ledgers import finished_ledger
from harvester.ledger import copy as ledger_copy
from harvester.ledger.ledger import Ledger
from harvester.ledger.open import open_reader
from harvester.ledger.postgres.transaction_runner import PostgresTransactionRunner
from harvester.ledger.process_identity import this_process
from harvester.model import BATCH_SIZE, Batch, Budget
from harvester.simulator import SimulatorProcess, SimulatorSettings, make_ids
from tests.postgres_server import PostgresServer

HARVESTER = Path(sys.executable).with_name("harvester")
RUNS = (1, 2, 4, 8)
CALLS = 4_000
LANES = 50
"""Of all runs together."""
IDS = 10_000_000
CLAIMERS = 8
CLAIMING_SECONDS = 20.0
CRAWL = 12_627
SETTINGS = ("max_wal_size=8GB", "shared_buffers=512MB")
BUDGET = Budget(datetime.now(UTC).date(), 10**12, 1)

# Eleven characters without any order, as video ids are. The factor is odd, so no two are alike up to 2^44.
_FILL = """
INSERT INTO videos (position, video_id, state)
SELECT i, lpad(to_hex(i * 118232617941 & 17592186044415), 11, '0'), 0 FROM generate_series(1, %(ids)s::bigint) AS i
"""


def runs(server: PostgresServer) -> None:
    """Calls a second of a whole crawl by so many runs at once, each with its part of the lanes."""
    with tempfile.TemporaryDirectory() as folder:
        print(f"SQLite, 1 run: {_crawl(Path(folder), f'sqlite:///{folder}/harvest.db', 1):,.0f} calls/s", flush=True)
        for number in RUNS:
            rate = _crawl(Path(folder), server.new_database(), number)
            print(f"PostgreSQL, {number} at once: {rate:,.0f} calls/s", flush=True)


def _crawl(folder: Path, url: str, number: int) -> float:
    """By the ledger, from the first call's beginning to the last one's end; and no call was one too many."""
    with SimulatorProcess(SimulatorSettings(daily_units=10**9)) as api:
        rate = _crawl_at(api, folder, url, number)
        report = api.report()
    assert (report["calls"], report["ids"]["delivered_more"]) == (CALLS, 0), report
    return rate


def _crawl_at(api: SimulatorProcess, folder: Path, url: str, number: int) -> float:
    (folder / "songs.csv").write_text("\n".join(["song", *make_ids(0, CALLS * BATCH_SIZE), ""]), encoding="ascii")
    env = os.environ | {
        "HARVESTER_LEDGER__URL": url,
        "HARVESTER_YOUTUBE__BASE_URL": api.base_url,
        "HARVESTER_QUOTA__DAILY_UNITS": "1000000000",
        "HARVESTER_RUN__CONCURRENCY": str(-(-LANES // number)),
        "YOUTUBE_API_KEY": "any",
    }
    started: list[Popen[bytes]] = []
    for line in (["load", "songs.csv"], *[["run"]] * number):
        started.append(Popen([HARVESTER, "-q", *line], cwd=folder, env=env, stdout=DEVNULL))
        if line[0] == "load":
            assert started.pop().wait() == 0
    assert [run.wait() for run in started] == [0] * number
    ok, first, last = _query(url, "SELECT count(*), min(started_at), max(finished_at) FROM calls WHERE state = 'ok'")
    assert ok == CALLS, f"{ok} of {CALLS} calls were good"
    return ok / (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def _query(url: str, statement: str) -> tuple[Any, ...]:
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as ledger:
            return ledger.execute(statement).fetchone()
    with psycopg.connect(url) as db:
        row = db.execute(statement).fetchone()
    assert row is not None
    return row


def claims(server: PostgresServer) -> None:
    """Claims a second from a large table, by claimers who do nothing else."""
    url = server.new_database()
    began = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(_FILL, {"ids": IDS})
        db.execute("UPDATE video_states SET videos = %(ids)s WHERE code = 0", {"ids": IDS})
        db.execute("VACUUM ANALYZE videos")
    size, indexes = _query(url, "SELECT pg_relation_size('videos'), pg_indexes_size('videos')")
    print(f"{IDS:,} ids in {time.perf_counter() - began:.0f} s: {size / IDS:.0f} + {indexes / IDS:.0f} bytes an id")
    for number in (1, CLAIMERS):
        with get_context("spawn").Pool(number) as pool:
            done = pool.map(_claim, [url] * number)
        print(f"{number} claimers: {sum(done) / CLAIMING_SECONDS:,.0f} claims/s", flush=True)
    claimed, distinct = _query(url, "SELECT sum(ids), (SELECT count(*) FROM videos WHERE state = 1) FROM calls")
    assert claimed == distinct, f"{claimed} claimed, {distinct} of them distinct"


def _claim(url: str) -> int:
    return asyncio.run(_claim_for_a_while(url))


async def _claim_for_a_while(url: str) -> int:
    async with Ledger(PostgresTransactionRunner(url)) as ledger:
        now = datetime.now(UTC)
        run = await ledger.open_run(this_process(), now, now + timedelta(hours=1))
        end = time.perf_counter() + CLAIMING_SECONDS
        claimed = 0

        async def lane() -> None:
            nonlocal claimed
            while time.perf_counter() < end:
                batch = await ledger.claim(run, BUDGET, now)
                assert isinstance(batch, Batch), batch
                assert len(batch) == BATCH_SIZE
                claimed += 1

        await asyncio.gather(*(lane() for _ in range(LANES)))
        return claimed


def copy(server: PostgresServer) -> None:
    """A finished crawl, there and back, and `verify` of both."""
    source = f"sqlite:///{finished_ledger(CRAWL)}"
    there = server.url(server.empty_database())
    with tempfile.TemporaryDirectory() as folder:
        back = f"sqlite:///{folder}/back.db"
        for name, here, new in (("there", source, there), ("back", there, back)):
            with _timed(name):
                ledger_copy.copy(here, new)
        for name, url in (("verify on PostgreSQL", there), ("verify on SQLite", back)):
            with _timed(name), open_reader(url) as reader:
                assert reader.findings() == []


@contextmanager
def _timed(name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)


MEASURED = {"runs": runs, "claims": claims, "copy": copy}


def main(names: Sequence[str]) -> None:
    for name in names or MEASURED:
        server = PostgresServer(SETTINGS)
        try:
            MEASURED[name](server)
        finally:
            server.remove()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.postgres", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MEASURED, []], metavar="runs | claims | copy")
    main(parser.parse_args().names)
