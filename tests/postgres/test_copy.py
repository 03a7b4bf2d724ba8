"""A ledger taken to a server and back in the middle of its crawl: the same rows, whatever cuts the copying off."""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from children import Program
from postgres_server import PostgresServer

from harvester.errors import LedgerDamaged, LedgerUnusable
from harvester.ledger import copy
from harvester.ledger import open as ledger_open
from harvester.ledger.ledger import Ledger
from harvester.ledger.postgres.transaction import escaped
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.listing_types import ListingKind, ListingsAdded, Page, Target
from harvester.model import Batch, Body, Budget, GiveBack, Outcome, ProcessIdentity, Verdict
from harvester.support.progress_callback import Advance
from harvester.youtube.endpoints import CHANNELS_LIST, PLAYLIST_ITEMS_LIST

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
BUDGET = Budget(date(2026, 11, 23), 10_000, 11)
PAGES = Budget(BUDGET.day, 10_000, 1, PLAYLIST_ITEMS_LIST.parts, PLAYLIST_ITEMS_LIST.name)
CHANNELS = Budget(BUDGET.day, 10_000, 1, CHANNELS_LIST.parts, CHANNELS_LIST.name)


@pytest.fixture
async def source(tmp_path: Path) -> Path:
    """In the middle of a crawl: with ids in each state, a call under way, a pruning, and texts that are no ids."""
    path = tmp_path / "harvest.db"
    prepare(path)
    async with Ledger(SqliteTransactionRunner(path)) as ledger:
        strange = ["no id", "\0", "\U0010fffd", "\U0010fffd0\0", "é\n"]
        await ledger.add([*strange, *(f"{number:010}A" for number in range(400))], strange, 0)
        run = await ledger.open_run(ProcessIdentity("elsewhere", "boot", 1, "1"), NOW, NOW + timedelta(minutes=5))
        batches = [await ledger.claim(run, BUDGET, NOW) for _ in range(5)]
        good, old, failed, split, _ = [batch for batch in batches if isinstance(batch, Batch)]
        for batch, at in ((good, NOW), (old, NOW - timedelta(days=40))):
            raw = json.dumps({"items": [{"id": text} for text in batch.ids[2:]]}).encode()
            data = gzip.compress(raw)
            body = Body(data, "gzip", len(raw), hashlib.sha256(data).digest(), 48)
            await ledger.settle(batch, Outcome(Verdict.GOOD, "ok", 200, body=body, found=frozenset(batch.ids[2:])), at)
        fault = Outcome(Verdict.TRY_AGAIN, "backendError", 503)
        await ledger.give_back(failed, fault, GiveBack.FAIL, NOW)
        await ledger.give_back(split, fault, GiveBack.SPLIT, NOW)
        await ledger.add_listings([Target(ListingKind.PLAYLIST, "PL1"), Target(ListingKind.CHANNEL, "@\u00e9")], NOW)
        page = await ledger.claim_listing(run, PAGES, NOW, channels=False)
        assert isinstance(page, Batch)
        listed = Page(("00000009990", "00000009991"), 2, "a token", 60)
        await ledger.settle(page, Outcome(Verdict.GOOD, "ok", 200, listed=listed), NOW)
        await ledger.claim_listing(run, CHANNELS, NOW, channels=True)
        await ledger.prune([old.call_id], NOW - timedelta(days=30), NOW)
    return path


def rows(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        return {name: db.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for (name,) in tables}


def empty(server: PostgresServer) -> str:
    return server.url(server.empty_database())


async def test_there_and_back_nothing_has_changed(source: Path, server: PostgresServer) -> None:
    there, back = empty(server), source.with_name("back.db")
    before = source.read_bytes()
    assert copy.copy(f"sqlite:///{source}", there) == copy.copy(there, f"sqlite:///{back}")
    assert source.read_bytes() == before
    assert rows(back) == rows(source)
    with ledger_open.open_reader(there) as reader:
        assert reader.findings() == []
    # It is a ledger to work with: new runs, calls and prunings get numbers of their own.
    async with ledger_open.open_ledger(there) as ledger:
        me = ProcessIdentity("here", "boot", 2, "2")
        run = await ledger.open_run(me, NOW, NOW)
        assert await ledger.recover(me, NOW + timedelta(minutes=6)) == 2
        assert await ledger.add_listings([Target(ListingKind.PLAYLIST, "PL2")], NOW) == ListingsAdded(new=1)
        page = await ledger.claim_listing(run, PAGES, NOW, channels=False)
        assert isinstance(page, Batch)
        assert page.listing == (1, "a token")
        batch = await ledger.claim(run, BUDGET, NOW)
        assert isinstance(batch, Batch)
        assert (run, batch.call_id, len(batch)) == (2, 9, 25)


class Cut(Exception):
    pass


def test_cut_off_it_is_no_ledger_and_goes_on(
    source: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "CHUNK", 100)
    here, there = f"sqlite:///{source}", empty(server)

    cut_at = 0

    def watch(advance: Advance) -> None:
        nonlocal cut_at
        cut_at = advance.done
        if cut_at > 250:  # among the ids
            raise Cut

    with pytest.raises(Cut):
        copy.copy(here, there, watch)
    for use in (ledger_open.check, ledger_open.prepare):
        with pytest.raises(LedgerUnusable, match="a copy that was cut off"):
            use(there)
    seen: list[int] = []
    total = copy.copy(here, there, lambda advance: seen.append(advance.done))
    assert seen[0] > cut_at
    assert seen[-1] == total
    ledger_open.check(there)


def test_a_source_that_changed_meanwhile_is_copied_anew(
    source: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "_compare", lambda *_: (_ for _ in ()).throw(Cut))
    here, there, back = f"sqlite:///{source}", empty(server), source.with_name("back.db")
    with pytest.raises(Cut):
        copy.copy(here, there)
    monkeypatch.undo()
    with closing(sqlite3.connect(source)) as db, db:
        db.execute("UPDATE calls SET state = 'abandoned', finished_at = started_at WHERE state = 'open'")
        db.execute("UPDATE videos SET state = 0 WHERE state = 1")
        db.execute("UPDATE quota_days SET calls_abandoned = 1")
    copy.copy(here, there)
    copy.copy(there, f"sqlite:///{back}")
    assert rows(back) == rows(source)


def test_a_ledger_that_holds_anything_is_never_written_over(source: Path, server: PostgresServer) -> None:
    there = empty(server)
    copy.copy(f"sqlite:///{source}", there)
    before = rows(source)
    for target in (there, f"sqlite:///{source}"):
        with pytest.raises(LedgerUnusable, match="holds a ledger already"):
            copy.copy(there, target)
    assert rows(source) == before


def test_a_copy_that_differs_is_no_ledger(
    source: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = empty(server)
    translated = copy._translated
    monkeypatch.setattr(
        copy, "_translated", lambda table, row, _: translated(table, row, lambda text: escaped(text).lower())
    )
    with pytest.raises(LedgerDamaged, match="differs from the ledger in its table videos"):
        copy.copy(f"sqlite:///{source}", there)
    with pytest.raises(LedgerUnusable, match="a copy that was cut off"):
        ledger_open.check(there)


def test_the_command(source: Path, server: PostgresServer, harvester: Program) -> None:
    there = empty(server)
    done = harvester.run("ledger", "copy", f"sqlite:///{source}", there)
    assert (done.returncode, done.stdout.split(" is what")[0]) == (
        0,
        "postgresql:///" + there.split("/")[3].split("?")[0],
    )
    refused = harvester.run("ledger", "copy", "postgresql://me:s3cr3t/x@db/crawl", there)
    assert refused.returncode == 2
    assert "s3cr3t" not in refused.stderr
