"""What a ledger on a server makes of connections that break, of runs whose host is gone, and of others at work."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from postgres_server import PostgresServer
from waiting import LIMIT_SECONDS, until

from harvester.errors import LedgerUnavailable
from harvester.ledger.ledger import Ledger
from harvester.ledger.postgres import connection, transaction_runner
from harvester.ledger.postgres.migrate import prepare
from harvester.ledger.postgres.reader import PostgresReader
from harvester.ledger.postgres.transaction_runner import PostgresTransactionRunner
from harvester.model import Batch, Body, Budget, Denied, Outcome, ProcessIdentity, Verdict, VideoState

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
BUDGET = Budget(date(2026, 11, 23), 100_000, 11)
IDS = [f"{number:010}A" for number in range(500)]
ME = ProcessIdentity("here", "boot", 1, "100")
THERE = ProcessIdentity("elsewhere", "boot", 1, "100")


@pytest.fixture
async def ledger(url: str) -> AsyncIterator[Ledger]:
    async with Ledger(PostgresTransactionRunner(url, return_seconds=0), lambda _: True) as opened:
        await opened.add(IDS, (), 0)
        yield opened


async def a_batch(ledger: Ledger, process: ProcessIdentity = ME) -> tuple[int, Batch]:
    run = await ledger.open_run(process, NOW, NOW + timedelta(minutes=5))
    batch = await ledger.claim(run, BUDGET, NOW)
    assert isinstance(batch, Batch)
    return run, batch


def good(batch: Batch) -> Outcome:
    raw = json.dumps({"items": [{"id": video_id} for video_id in batch.ids]}).encode()
    body = Body(raw, "identity", len(raw), hashlib.sha256(raw).digest(), len(batch))
    return Outcome(Verdict.GOOD, "ok", 200, body=body, found=frozenset(batch.ids))


def cut(url: str) -> None:
    """Every connection to the ledger but this one."""
    with psycopg.connect(url) as db:
        others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        db.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM ({others}) AS others")


async def recovered(ledger: Ledger) -> int:
    """What is recovered once the server has seen that a connection was closed."""
    calls = 0

    async def some() -> bool:
        nonlocal calls
        calls = await ledger.recover(ME, NOW)
        return calls > 0

    await until(some)
    return calls


def findings(url: str) -> list[str]:
    with PostgresReader(url) as reader:
        return reader.findings()


class Cut:
    """A connection that breaks at its next commit: before the server hears of it, or before its answer is heard."""

    def __init__(self, db: psycopg.Connection, *, committed: bool) -> None:
        self._db = db
        self._committed = committed

    def execute(self, statement: Any, *values: Any) -> Any:
        if statement == "COMMIT":
            if self._committed:
                self._db.execute("COMMIT")
            self._db.close()
        return self._db.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


@pytest.mark.parametrize(
    ("committed", "restarted"),
    [(True, False), (False, False), (True, True)],
    ids=["True", "False", "True, just after the server's start"],
)
async def test_a_commit_whose_answer_is_lost_happens_once(
    ledger: Ledger, url: str, server: PostgresServer, committed: bool, restarted: bool
) -> None:
    if restarted:
        server.stop()
        server.start()
        await ledger.last_position()
    run, batch = await a_batch(ledger)
    ledger._runner._db = Cut(ledger._runner._db, committed=committed)  # type: ignore[assignment]
    assert await ledger.settle(batch, good(batch), NOW)
    ledger._runner._db = Cut(ledger._runner._db, committed=committed)  # type: ignore[assignment]
    second = await ledger.claim(run, BUDGET, NOW)
    assert isinstance(second, Batch)
    assert second.positions[0] == 51
    progress = await ledger.progress()
    assert (progress.videos[VideoState.FETCHED], progress.videos[VideoState.CLAIMED]) == (50, 50)
    assert (progress.days[0].units, progress.days[0].ok, progress.days[0].calls) == (22, 1, 2)
    assert findings(url) == []


class Asked:
    """A connection that breaks when it is asked what became of a transaction."""

    def __init__(self, db: psycopg.Connection) -> None:
        self._db = db

    def execute(self, statement: Any, *values: Any) -> Any:
        if "RETURNING token" in str(statement):
            self._db.close()
        return self._db.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


class CutLater(Cut):
    """It breaks after the commit that follows so many others, before its answer is heard."""

    def __init__(self, db: psycopg.Connection, commits: int) -> None:
        super().__init__(db, committed=True)
        self._commits = commits

    def execute(self, statement: Any, *values: Any) -> Any:
        if statement == "COMMIT" and self._commits > 0:
            self._commits -= 1
            return self._db.execute("COMMIT")
        return super().execute(statement, *values)


@pytest.mark.parametrize("commits", range(3))
async def test_a_run_whose_first_commits_lost_their_answer_holds_its_lock(
    ledger: Ledger, url: str, commits: int
) -> None:
    ledger._runner._db = CutLater(ledger._runner._db, commits)  # type: ignore[assignment]
    _, batch = await a_batch(ledger, THERE)
    async with Ledger(PostgresTransactionRunner(url, return_seconds=0), lambda _: True) as other:
        assert await other.recover(ME, NOW) == 0
    assert await ledger.settle(batch, good(batch), NOW)
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*), count(ended_at) FROM runs").fetchone() == (1, 0)


class Stopping(CutLater):
    """Its server stops once it has made that commit."""

    def __init__(self, db: psycopg.Connection, commits: int, server: PostgresServer) -> None:
        super().__init__(db, commits)
        self._server = server

    def execute(self, statement: Any, *values: Any) -> Any:
        if statement == "COMMIT" and self._commits == 0:
            self._db.execute("COMMIT")
            self._server.stop(signal.SIGQUIT)
        return super().execute(statement, *values)


async def test_where_it_stays_unknown_whether_a_group_was_committed_none_of_it_is_done_again(
    ledger: Ledger, url: str, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = transaction_runner.connect_for_writing

    def connect_too_early(url: str) -> psycopg.Connection:
        monkeypatch.setattr(transaction_runner, "connect_for_writing", connection)
        try:
            return connection(url)
        finally:
            server.start()

    run = await ledger.open_run(ME, NOW, NOW + timedelta(minutes=5))
    begun, all_wait = threading.Event(), threading.Event()
    first = asyncio.create_task(ledger._runner.run(lambda _: (begun.set(), all_wait.wait(LIMIT_SECONDS))))
    assert await asyncio.to_thread(begun.wait, LIMIT_SECONDS)
    claims = [asyncio.create_task(ledger.claim(run, BUDGET, NOW)) for _ in range(3)]
    await asyncio.sleep(0)  # so that they are asked for
    ledger._runner._db = Stopping(ledger._runner._db, 1, server)  # type: ignore[assignment]
    monkeypatch.setattr(transaction_runner, "connect_for_writing", connect_too_early)
    all_wait.set()
    await first
    for claim in claims:
        with pytest.raises(LedgerUnavailable):
            await claim
    assert await ledger.last_position() == len(IDS)
    assert (await ledger.progress()).videos[VideoState.CLAIMED] == 150
    assert findings(url) == []


async def test_a_writers_token_is_deleted_at_its_end_and_after_a_month_by_a_later_run(url: str) -> None:
    def tokens() -> list[tuple[str, int]]:
        with psycopg.connect(url) as db:
            return db.execute("SELECT writer, token FROM commit_tokens WHERE writer <> 'new'").fetchall()

    with psycopg.connect(url) as db:
        month_ago = (datetime.now(UTC) - timedelta(days=31)).isoformat()
        for writer_id, at in (("old", month_ago), ("new", datetime.now(UTC).isoformat())):
            db.execute("INSERT INTO commit_tokens VALUES (%s, 7, %s)", (writer_id, at))
    async with Ledger(PostgresTransactionRunner(url)) as ledger:
        await ledger.last_position()
        assert ("old", 7) in tokens()
        await ledger.recover(ME, NOW)
        assert tokens() == [(ledger._runner._id, 2)]
    assert tokens() == []


async def test_ledgers_in_two_schemas_do_not_share_locks(ledger: Ledger, url: str) -> None:
    with psycopg.connect(url) as db:
        db.execute('CREATE SCHEMA "A second"')
    second = f"{url}&options=-csearch_path%3D%22A%5C%20second%22"
    prepare(second)
    await a_batch(ledger, THERE)
    async with Ledger(PostgresTransactionRunner(second, return_seconds=0), lambda _: True) as other:
        await other.add(IDS, (), 0)
        async with Ledger(PostgresTransactionRunner(second)) as dies:
            await a_batch(dies, THERE)
        assert await recovered(other) == 1
    assert await ledger.recover(ME, NOW) == 0


class LetDown(Cut):
    """A connection whose server dies at its next commit, before or after that is made, and comes back."""

    def __init__(
        self, db: psycopg.Connection, server: PostgresServer, then: Callable[[], object], *, committed: bool
    ) -> None:
        super().__init__(db, committed=False)
        self._made_first = committed
        self._server = server
        self._then = then

    def execute(self, statement: Any, *values: Any) -> Any:
        if statement == "COMMIT":
            if self._made_first:
                self._db.execute("COMMIT")
            self._server.stop(signal.SIGQUIT)
            self._server.start()
            self._then()
        return super().execute(statement, *values)


@pytest.mark.parametrize(("committed", "transactions"), [(False, 0), (False, 5), (True, 5)])
async def test_a_commit_at_which_the_server_died_happens_once_whoever_has_its_number_now(
    ledger: Ledger, url: str, server: PostgresServer, committed: bool, transactions: int
) -> None:
    """What the server had not written when it died, it knows nothing of: it gives the transaction's number anew."""
    run, batch = await a_batch(ledger)

    def others() -> None:
        with psycopg.connect(url, autocommit=True) as db:
            for _ in range(transactions):
                db.execute("UPDATE runs SET reason = reason")

    ledger._runner._db = LetDown(ledger._runner._db, server, others, committed=committed)  # type: ignore[assignment]
    second = await ledger.claim(run, BUDGET, NOW)
    assert isinstance(second, Batch)
    assert await ledger.settle(second, good(second), NOW)
    assert await ledger.settle(batch, good(batch), NOW)
    day = (await ledger.progress()).days[0]
    assert (day.units, day.calls, day.ok) == (22, 2, 2)
    assert findings(url) == []


async def test_a_connection_that_breaks_while_it_is_asked_what_became_of_a_commit_is_asked_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = transaction_runner.connect_for_writing
    broken = iter([True, False])

    def breaking(url: str) -> psycopg.Connection:
        db = connection(url)
        return Asked(db) if next(broken) else db  # type: ignore[return-value]

    monkeypatch.setattr(transaction_runner, "connect_for_writing", breaking)
    ledger._runner._db = Cut(ledger._runner._db, committed=True)  # type: ignore[assignment]
    await a_batch(ledger)
    assert (await ledger.progress()).days[0].calls == 1


async def test_a_run_whose_connection_is_cut_goes_on_and_is_not_taken_for_dead(ledger: Ledger, url: str) -> None:
    _, batch = await a_batch(ledger, THERE)
    cut(url)
    assert await ledger.last_position() == len(IDS)
    async with Ledger(PostgresTransactionRunner(url, return_seconds=0), lambda _: True) as other:
        assert await other.recover(ME, NOW) == 0
    assert await ledger.settle(batch, good(batch), NOW)


async def test_a_run_whose_host_is_gone_is_noticed_by_its_connection_not_by_its_lease(ledger: Ledger, url: str) -> None:
    async with Ledger(PostgresTransactionRunner(url)) as other:
        await a_batch(other, THERE)
        assert await ledger.recover(ME, NOW) == 0
    assert await recovered(ledger) == 1
    assert (await ledger.progress()).videos[VideoState.PENDING] == len(IDS)


async def test_a_run_that_comes_back_while_it_is_missed_is_not_taken_for_dead(
    ledger: Ledger, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, batch = await a_batch(ledger, THERE)
    cut(url)

    async def come_back(_: float) -> None:
        await ledger.last_position()

    async with Ledger(PostgresTransactionRunner(url, return_seconds=0), lambda _: True) as other:
        monkeypatch.setattr(asyncio, "sleep", come_back)
        assert await other.recover(ME, NOW) == 0
    assert await ledger.settle(batch, good(batch), NOW)


async def test_after_a_restart_of_the_server_runs_have_time_to_come_back(
    ledger: Ledger, url: str, server: PostgresServer
) -> None:
    async with Ledger(PostgresTransactionRunner(url)) as other:
        await a_batch(other, THERE)
    server.stop()
    server.start()
    async with Ledger(PostgresTransactionRunner(url, return_seconds=60), lambda _: True) as patient:
        assert await patient.recover(ME, NOW) == 0
        assert await patient.recover(ME, NOW + timedelta(minutes=6)) == 1
    await ledger.last_position()


async def test_a_server_that_stays_away_ends_the_run_with_exit_code_4_and_costs_nothing(
    ledger: Ledger, url: str, server: PostgresServer
) -> None:
    _, batch = await a_batch(ledger)
    server.stop()
    try:
        for _ in range(2):
            with pytest.raises(LedgerUnavailable, match="cannot be used now") as caught:
                await ledger.settle(batch, good(batch), NOW)
            assert caught.value.exit_code == 4
    finally:
        server.start()
    assert await ledger.settle(batch, good(batch), NOW)
    assert findings(url) == []


async def test_who_reads_beside_a_run_waits_for_a_server_that_restarts(
    url: str, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting, refused = connection.connect, threading.Event()

    def noting(*how: Any) -> psycopg.Connection:
        try:
            return connecting(*how)
        except psycopg.OperationalError:
            refused.set()
            raise

    async with Ledger(PostgresTransactionRunner(url)) as ledger:
        monkeypatch.setattr(connection, "connect", noting)
        server.stop()
        reading = asyncio.create_task(ledger.progress())
        try:
            await until(lambda: refused.is_set() or reading.done())
        finally:
            server.start()
        assert (await reading).total == 0
        await ledger.last_position()


async def test_claims_pass_over_what_another_transaction_holds_and_come_back_to_it(ledger: Ledger, url: str) -> None:
    run, first = await a_batch(ledger)
    assert first.positions == tuple(range(1, 51))
    with psycopg.connect(url) as other:
        other.execute("SELECT 1 FROM videos WHERE position BETWEEN 51 AND 100 FOR UPDATE")
        passed = await ledger.claim(run, BUDGET, NOW)
        other.rollback()
    held = await ledger.claim(run, BUDGET, NOW)
    assert isinstance(passed, Batch)
    assert isinstance(held, Batch)
    assert (passed.positions[0], held.positions[0]) == (101, 51)
    assert findings(url) == []


async def test_runs_that_claim_and_settle_at_once_share_the_day_to_the_unit(url: str, ledger: Ledger) -> None:
    budget = Budget(BUDGET.day, 8 * 11 + 10, 11)

    async def crawl(lane: Ledger, run: int) -> list[int]:
        positions: list[int] = []
        while isinstance(batch := await lane.claim(run, budget, NOW), Batch):
            assert await lane.settle(batch, good(batch), NOW)
            positions += batch.positions
        assert batch is Denied.BUDGET_SPENT
        return positions

    others = [Ledger(PostgresTransactionRunner(url)) for _ in range(3)]
    lanes = [(other, await other.open_run(ME, NOW, NOW)) for other in others for _ in range(4)]
    claimed = [position for lane in await asyncio.gather(*(crawl(*lane) for lane in lanes)) for position in lane]
    for other in others:
        await other.close()
    assert len(claimed) == len(set(claimed)) == 400
    assert (await ledger.progress()).days[0].units == 88
    assert findings(url) == []
