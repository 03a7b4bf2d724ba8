"""What the ledger's tests are made of: instants, ids, answers and faults, and the databases they run on."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from harvester.ledger.ledger import Ledger
from harvester.ledger.reader import LedgerReader
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.model import Batch, Body, Budget, Outcome, ProcessIdentity, Verdict, VideoState
from harvester.youtube.endpoints import VIDEOS_BATCH_GET_STATS

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
DAY = date(2026, 11, 23)
LEASE = timedelta(minutes=5)
PRICE = 11

Dump = dict[str, list[tuple[Any, ...]]]
Alive = Callable[[ProcessIdentity], bool]
MakeLedger = Callable[[], Ledger]


class Database(Protocol):
    """A prepared, empty ledger of one kind of database, and two ways into it."""

    url: str

    def ledger(self, alive: Alive) -> Ledger: ...
    def reader(self) -> LedgerReader: ...

    def dump(self) -> Dump:
        """Every row of every table."""
        ...

    def damage(self, statement: str, values: Sequence[object] = ()) -> None:
        """Run this past every constraint."""
        ...

    def close(self) -> None:
        """Nobody asks for it any more."""
        ...


class SqliteDatabase:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "harvest.db"
        self.url = f"sqlite:///{self.path}"
        prepare(self.path)

    def ledger(self, alive: Alive) -> Ledger:
        return Ledger(SqliteTransactionRunner(self.path), alive)

    def reader(self) -> SqliteReader:
        return SqliteReader(self.path)

    def dump(self) -> Dump:
        with closing(sqlite3.connect(self.path)) as db:
            tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
            return {name: db.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for (name,) in tables}

    def damage(self, statement: str, values: Sequence[object] = ()) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            assert db.execute(statement, values).rowcount > 0

    def close(self) -> None:
        """The file is the test's own."""


DATABASES: dict[str, Callable[[Path], Database]] = {"sqlite": SqliteDatabase}
"""And one on a server, which `postgres_kit` brings where no process of its own needs this module."""


def video_ids(count: int, start: int = 0) -> list[str]:
    return [f"{number:010}A" for number in range(start, start + count)]


def a_process(pid: int = 1, *, host: str = "here", boot: str = "boot", started: str = "100") -> ProcessIdentity:
    return ProcessIdentity(host, boot, pid, started)


def a_budget(limit: int = 10_000, price: int = PRICE, day: date = DAY) -> Budget:
    return Budget(day, limit, price)


def a_statistics_budget(limit: int = 10_000, day: date = DAY) -> Budget:
    endpoint = VIDEOS_BATCH_GET_STATS
    return Budget(day, limit, 1, endpoint.parts, endpoint.name, endpoint.bucket)


def a_body(found: Iterable[str], *, encoding: str = "gzip") -> Body:
    """A response with these ids, as the API would send it."""
    items = [{"kind": "youtube#video", "id": video_id} for video_id in found]
    raw = json.dumps({"kind": "youtube#videoListResponse", "items": items}).encode()
    data = gzip.compress(raw, mtime=0) if encoding == "gzip" else raw
    return Body(data, encoding, len(raw), hashlib.sha256(data).digest(), len(items))


def good(batch: Batch, missing: Collection[str] = ()) -> Outcome:
    """A good answer to the batch, without the ids of `missing`."""
    found = [video_id for video_id in batch.ids if video_id not in missing]
    return Outcome(Verdict.GOOD, "ok", 200, body=a_body(found), found=frozenset(found))


def a_fault(reason: str = "backendError", *, sent: bool = True) -> Outcome:
    return Outcome(Verdict.TRY_AGAIN, reason, 503 if sent else None, "try later", sent=sent)


async def a_run(ledger: Ledger, process: ProcessIdentity | None = None, now: datetime = NOW) -> int:
    return await ledger.open_run(process or a_process(), now, now + LEASE)


async def a_batch(ledger: Ledger, run_id: int, among: Sequence[int] | None = None) -> Batch:
    """Claimed, whatever it costs."""
    batch = await ledger.claim(run_id, a_budget(limit=1_000_000), NOW, among)
    assert isinstance(batch, Batch)
    return batch


async def counts(ledger: Ledger) -> dict[str, int]:
    """The states that hold any id."""
    return {state.label: count for state, count in (await ledger.progress()).videos.items() if count}


async def states(ledger: Ledger, ids: Sequence[str]) -> list[VideoState]:
    places = await ledger.find(ids)
    return [places[video_id].state for video_id in ids]


def read(path: Path) -> None:
    with SqliteReader(path) as reader:
        reader.progress()


def write(path: Path) -> None:
    async def go() -> None:
        async with Ledger(SqliteTransactionRunner(path)) as ledger:
            await ledger.add(video_ids(1), [], 0)

    asyncio.run(go())
