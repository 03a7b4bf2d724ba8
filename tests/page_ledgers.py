"""Real ledgers for the page of `status --html`: of hostile texts, of failures alone, of a long crawl."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from harvester.ledger.ledger import Ledger
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.ledger.transactions.transaction import instant
from harvester.model import Batch, BatchKind, Body, Budget, GiveBack, Outcome, ProcessIdentity, Verdict
from harvester.quota_calendar import quota_day
from harvester.simulator import make_ids
from harvester.youtube.endpoints import VIDEOS_BATCH_GET_STATS

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
DAY = date(2026, 11, 23)
SECONDS = 0.25
"""What each call of these ledgers took."""

OWNED = "<script>window.owned = 1</script>"
HOSTILE_TITLES: Sequence[Any] = (
    OWNED,
    "<img src=http://127.0.0.1:9/x.png onerror='window.owned = 1'>",
    f'"></td></table></style></title></svg>{OWNED}',
    "{{ 7 * 7 }} {% raw %}",
    "\u202eevil\u2066\u200f right to left",
    "nothing\0here\x1b[2J",
    "long " * 20_000,
    "w" * 100_000,
    "half \ud800 a character",
    "&lt;b&gt; &amp; مرحبا 日本語",
    {"not": "a text"},
    None,
)


def answer(ids: Sequence[str], titles: Sequence[Any] = ()) -> Outcome:
    """All ids are there, the first of them with these titles, which are their channels' too."""
    items: list[dict[str, Any]] = [{"id": video_id, "snippet": {"title": "ordinary"}} for video_id in ids]
    for item, title in zip(items, titles, strict=False):
        item["snippet"] = {"title": title, "channelTitle": title}
    return outcome_of({"kind": "youtube#videoListResponse", "items": items}, ids)


def outcome_of(page: dict[str, Any], ids: Collection[str]) -> Outcome:
    """The answer with this page, in which these ids are found."""
    raw = json.dumps(page).encode()
    data = gzip.compress(raw, 1, mtime=0)
    body = Body(data, "gzip", len(raw), hashlib.sha256(data).digest(), len(page["items"]))
    return Outcome(Verdict.GOOD, "ok", 200, body=body, found=frozenset(ids))


def growing_ledger(path: Path, days: int = 5) -> None:
    """100 ids, of which each was fetched, and their statistics on so many days until NOW. The views of the one at
    position n grow by 10 n a day; it was published on a day of 2026 that is the later, the smaller n is."""
    asyncio.run(_grow(path, days))


async def _grow(path: Path, days: int) -> None:
    prepare(path)
    began, endpoint = NOW - timedelta(days=days), VIDEOS_BATCH_GET_STATS
    async with Ledger(SqliteTransactionRunner(path)) as ledger:
        await ledger.add(list(make_ids(1, 100)), [], 0)
        run_id = await ledger.open_run(ProcessIdentity("here", "boot", 1, "1"), began, NOW)
        for _ in range(2):
            batch = await ledger.claim(run_id, Budget(quota_day(began), 10_000, 11), began)
            assert isinstance(batch, Batch)
            await ledger.settle(batch, _with_views(batch, 0, HOSTILE_TITLES), began)
        for day in range(1, days + 1):
            now = began + timedelta(days=day)
            budget = Budget(quota_day(now), 10_000, 1, endpoint.parts, endpoint.name, endpoint.bucket)
            for call_id in (1, 2):
                batch = await ledger.claim_old(run_id, budget, now, call_id, now, BatchKind.STATISTICS)
                assert isinstance(batch, Batch)
                await ledger.settle(batch, _with_views(batch, day), now)
        await ledger.close_run(run_id, NOW, "nothing left")


def _with_views(batch: Batch, day: int, titles: Sequence[Any] = ()) -> Outcome:
    outcome = answer(batch.ids, titles)
    assert outcome.body is not None
    page = json.loads(outcome.body.raw())
    for position, item in zip(batch.positions, page["items"], strict=True):
        item["snippet"]["publishedAt"] = f"{date(2026, 10, 1) - timedelta(days=position)}T00:00:00Z"
        if day:
            del item["snippet"]
        item["statistics"] = {"viewCount": str(1_000 + 10 * position * day)}
    return outcome_of(page, outcome.found)


def hostile_ledger(path: Path) -> None:
    """120 of 1,000 ids asked for, with hostile texts: titles, a fault's reason, a host, a run's ending, a channel."""
    asyncio.run(_crawl(path, good=3, faults=2, reason=f"backend{OWNED}", host=f"here{OWNED}", titles=HOSTILE_TITLES))
    with closing(sqlite3.connect(path)) as db, db:
        lost = (f"\u202e{OWNED}", "failed", f"not\x1bFound{OWNED}", instant(NOW), instant(NOW))
        db.execute(
            "INSERT INTO listings (kind, target, title, state, reason, finished_at, added_at) "
            "VALUES ('channel', '@hostile', ?, ?, ?, ?, ?)",
            lost,
        )


def failed_ledger(path: Path) -> None:
    """A crawl of which no call has brought anything."""
    asyncio.run(_crawl(path, good=0, faults=4, reason="backendError", host="here", titles=()))


def given_up_ledger(path: Path, reasons: Sequence[str] = ("backendError", "http_400"), host: str = "here") -> None:
    """300 ids: for each reason a call whose ids were given up, one good call, one let go, and a run under way."""
    asyncio.run(_give_up(path, reasons, host))


async def _give_up(path: Path, reasons: Sequence[str], host: str) -> None:
    prepare(path)
    async with Ledger(SqliteTransactionRunner(path)) as ledger:
        await ledger.add([*make_ids(1, 300), "no id"], ["no id"], 0)
        run_id = await ledger.open_run(ProcessIdentity(host, "boot", 1, "1"), NOW, NOW + timedelta(minutes=5))
        for number, reason in enumerate(reasons):
            batch = await ledger.claim(run_id, Budget(DAY, 10_000, 11), NOW, [3 * number + 1, 3 * number + 2])
            assert isinstance(batch, Batch)
            end = NOW + timedelta(seconds=number + 1)
            await ledger.give_back(batch, Outcome(Verdict.TRY_AGAIN, reason, 500), GiveBack.FAIL, end)
        for outcome in ("good", "timeout", "under way"):
            batch = await ledger.claim(run_id, Budget(DAY, 10_000, 11), NOW)
            assert isinstance(batch, Batch)
            if outcome == "good":
                await ledger.settle(batch, answer(batch.ids), NOW)
            elif outcome == "timeout":
                await ledger.give_back(batch, Outcome(Verdict.TRY_AGAIN, "timeout"), GiveBack.RELEASE, NOW)
        # The run is left open, and so is its last call, as kill -9 leaves them.


async def _crawl(path: Path, *, good: int, faults: int, reason: str, host: str, titles: Sequence[Any]) -> None:
    prepare(path)
    async with Ledger(SqliteTransactionRunner(path)) as ledger:
        await ledger.add(list(make_ids(1, 1000)), [], 0)
        run_id = await ledger.open_run(ProcessIdentity(host, "boot", 1, "1"), NOW, NOW + timedelta(minutes=5))
        end = NOW + timedelta(seconds=SECONDS)
        for number in range(faults + good):
            batch = await ledger.claim(run_id, Budget(DAY, 10_000, 11), NOW)
            assert isinstance(batch, Batch)
            if number < faults:
                fault = Outcome(Verdict.TRY_AGAIN, reason, 503)
                await ledger.give_back(batch, fault, GiveBack.RELEASE, end)
            else:
                await ledger.settle(batch, answer(batch.ids, titles), end)
        await ledger.close_run(run_id, end, f"stopped{OWNED}" if titles else "ApiUnavailable")


def long_ledger(path: Path, days: int = 14, calls: int = 12_627) -> None:
    """A crawl of so many days and calls, all its ids settled, one call in forty failed; written past the claims."""
    hostile_ledger(path)
    first = DAY - timedelta(days=days - 1)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM listings")
        db.execute("DELETE FROM responses WHERE call_id < 5")
        db.execute("DELETE FROM calls WHERE id < 5")
        db.execute("UPDATE quota_days SET units_reserved = 0, calls = 0, calls_ok = 0, calls_failed = 0")
        db.execute("UPDATE video_states SET videos = CASE name WHEN 'fetched' THEN 600000 ELSE 0 END")
        a_day = -(-calls // days)
        for number in range(days):
            of_day = range(10 + number * a_day, 10 + min(calls, (number + 1) * a_day))
            _write_day(db, first + timedelta(days=number), of_day)


def _write_day(db: sqlite3.Connection, day: date, calls: range) -> None:
    failed = sum(number % 40 == 0 for number in calls)
    start = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    line = (len(calls) * 11, len(calls), len(calls) - failed, failed, 47 * len(calls), 3 * len(calls))
    db.execute("INSERT OR IGNORE INTO quota_days (day, units_limit) VALUES (?, 10000)", (day.isoformat(),))
    db.execute(
        "UPDATE quota_days SET units_reserved = ?, calls = ?, calls_ok = ?, calls_failed = ?, videos_fetched = ?, "
        "videos_missing = ? WHERE day = ?",
        (*line, day.isoformat()),
    )
    rows = [
        (
            number,
            day.isoformat(),
            "failed" if number % 40 == 0 else "ok",
            f"reason {number % 400}" if number % 40 == 0 else None,
            instant(start),
            instant(start + timedelta(milliseconds=20 * (number % 500))),
        )
        for number in calls
    ]
    db.executemany(
        "INSERT INTO calls (id, run_id, quota_day, units, ids, attempt, first_position, last_position, state, reason, "
        "started_at, finished_at) VALUES (?, 1, ?, 11, 50, 1, 1, 50, ?, ?, ?, ?)",
        rows,
    )
