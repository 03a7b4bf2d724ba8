"""Each transaction happens exactly once, at whatever moment its connection breaks.

HARVESTER_TEST_BREAKS=300 breaks it so many times in each way; by default it is a few.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from breaking import MOST_SECONDS, AtCommits, Breaker, Crash, Proxy, Terminate
from postgres_server import PostgresServer
from waiting import LIMIT_SECONDS, wait_until

from harvester.ledger.ledger import Ledger
from harvester.ledger.postgres import transaction_runner
from harvester.ledger.postgres.reader import PostgresReader
from harvester.ledger.postgres.transaction_runner import PostgresTransactionRunner
from harvester.model import Batch, Body, Budget, GiveBack, Outcome, ProcessIdentity, Verdict

BREAKS = int(os.environ.get("HARVESTER_TEST_BREAKS", "0"))
FEW = {Crash: 3, Terminate: 9, Proxy: 9}
"""Each at every moment, and the proxy in each of its ways at every moment."""
LANES = 4
NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
BUDGET = Budget(date(2026, 11, 23), 10**9, 11)
ME = ProcessIdentity("here", "boot", 1, "100")
FAULT = Outcome(Verdict.TRY_AGAIN, "backendError", 500)


class Crawler:
    """Runs, claims and settlements in several lanes, until it is told to stop; counts what it was told of each."""

    def __init__(self, ledger: Ledger, rng: random.Random) -> None:
        self._ledger = ledger
        self._rng = rng
        self.stopped = False
        self.counts: Counter[str] = Counter()
        self.settled: list[int] = []

    async def lane(self) -> None:
        while not self.stopped:
            run = await self._ledger.open_run(ME, NOW, NOW + timedelta(minutes=5))
            self.counts["runs"] += 1
            for _ in range(8):
                batch = await self._ledger.claim(run, BUDGET, NOW)
                assert isinstance(batch, Batch)
                self.counts["claims"] += 1
                await self._end(batch)
            await self._ledger.close_run(run, NOW, "done")

    async def _end(self, batch: Batch) -> None:
        if self._rng.random() < 0.9:
            assert await self._ledger.give_back(batch, FAULT, GiveBack.RELEASE, NOW)
            self.counts["failed"] += 1
        else:
            assert await self._ledger.settle(batch, good(batch), NOW)
            self.counts["ok"] += 1
            self.settled += batch.positions


def good(batch: Batch) -> Outcome:
    raw = json.dumps({"items": [{"id": video_id} for video_id in batch.ids]}).encode()
    body = Body(raw, "identity", len(raw), hashlib.sha256(raw).digest(), len(batch))
    return Outcome(Verdict.GOOD, "ok", 200, body=body, found=frozenset(batch.ids))


class Breaking:
    """Breaks the connection during a crawl: at any moment, as it commits, or before the answer is heard."""

    def __init__(self, crawl: Crawler, breaker: Breaker, times: int, rng: random.Random) -> None:
        self._crawl = crawl
        self._breaker = breaker
        self._times = times
        self._rng = rng
        self._at_commit = threading.Event()
        self._broken = threading.Event()
        self._aim = ""

    def before_commit(self) -> Callable[[], object] | None:
        """In the ledger's thread."""
        aim, self._aim = self._aim, ""
        if aim == "while it commits":
            self._at_commit.set()
            time.sleep(self._rng.uniform(0, MOST_SECONDS))  # pause: it breaks at a moment by chance
        return self._break_now if aim == "once it has" else None

    def _break_now(self) -> None:
        self._at_commit.set()
        assert self._broken.wait(LIMIT_SECONDS)

    def run(self) -> None:
        aims = itertools.cycle(("at any moment", "while it commits", "once it has"))
        try:
            for aim in itertools.islice(aims, self._times):
                self._wait_for_progress()
                self._at_commit.clear()
                self._broken.clear()
                if aim == "at any moment":
                    time.sleep(self._rng.uniform(0, 10 * MOST_SECONDS))  # pause: it breaks at a moment by chance
                else:
                    self._aim = aim
                    assert self._at_commit.wait(LIMIT_SECONDS)
                self._breaker()
                self._broken.set()
            self._wait_for_progress()
        finally:
            self._crawl.stopped = True

    def _wait_for_progress(self) -> None:
        enough = self._crawl.counts.total() + self._rng.randint(1, 3 * LANES)
        wait_until(lambda: self._crawl.counts.total() >= enough)


@pytest.mark.parametrize("way", FEW)
async def test_each_transaction_happens_once_whenever_its_connection_breaks(
    server: PostgresServer, url: str, way: type[Crash] | type[Terminate] | type[Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    rng = random.Random(seed)
    breaker = way(server, url, rng)
    times = BREAKS or FEW[way]
    connect, doubts = transaction_runner.connect_for_writing, Counter[bool]()
    async with Ledger(PostgresTransactionRunner(url)) as loading:
        await loading.add([f"{number:010}A" for number in range(2000 + 200 * times)], (), 0)
    async with Ledger(PostgresTransactionRunner(breaker.url)) as ledger:
        crawl = Crawler(ledger, rng)
        breaking = Breaking(crawl, breaker, times, rng)
        monkeypatch.setattr(
            transaction_runner, "connect_for_writing", lambda at: AtCommits(connect(at), breaking.before_commit)
        )
        ledger._runner._db = AtCommits(ledger._runner._db, breaking.before_commit)  # type: ignore[assignment]
        was_committed = ledger._runner._was_committed
        monkeypatch.setattr(ledger._runner, "_was_committed", lambda: counted(doubts, was_committed()))
        try:
            await asyncio.gather(*(crawl.lane() for _ in range(LANES)), asyncio.to_thread(breaking.run))
        finally:
            crawl.stopped = True
            breaker.close()
    print(f"{times} breaks; {crawl.counts}; commits in doubt, by whether they were made: {dict(doubts)}")
    assert doubts[True]
    assert counts_by(url) == crawl.counts
    assert len(crawl.settled) == len(set(crawl.settled)) == 50 * crawl.counts["ok"]
    with PostgresReader(url) as reader:
        assert reader.findings() == []
        assert reader.progress().days[0].units == 11 * crawl.counts["claims"]


def counted(doubts: Counter[bool], answer: bool) -> bool:
    doubts[answer] += 1
    return answer


def counts_by(url: str) -> Counter[str]:
    """What the ledger says was done."""
    with psycopg.connect(url) as db:
        runs, done = db.execute("SELECT count(*), count(*) FILTER (WHERE reason = 'done') FROM runs").fetchone() or ()
        claims, ok, failed = (
            db.execute(
                "SELECT count(*), count(*) FILTER (WHERE state = 'ok'), count(*) FILTER (WHERE state = 'failed') "
                "FROM calls"
            ).fetchone()
            or ()
        )
        assert runs == done
        assert db.execute("SELECT count(*) FROM commit_tokens").fetchone() == (0,)
    return Counter(runs=runs, claims=claims, ok=ok, failed=failed)
