"""Thirty days of statistics for 100,000 videos: units, growth of the ledger, export, verify and prune.

python -m benchmarks.history [VIDEOS] [DAYS]
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.ledgers import FETCHED_AT, finished_ledger
from harvester.changes_between_runs import prune_statistics
from harvester.ledger.ledger import Ledger
from harvester.ledger.process_identity import this_process
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.model import BATCH_SIZE, Batch, BatchKind, Body, Budget, Outcome, Verdict
from harvester.youtube.endpoints import VIDEOS_BATCH_GET_STATS

_VIEWS: dict[int, dict[str, int]] = {}
FORMATS = ("csv", "csv.gz", "jsonl", "parquet", "db")


def with_history(videos: int, days: int) -> Path:
    """The ledger of a finished crawl with statistics of so many days; made once and kept in CACHE."""
    finished = finished_ledger(videos // BATCH_SIZE)
    path = finished.with_name(f"history-{days}-{finished.name}")
    if not path.exists():
        draft = path.with_suffix(".draft")
        shutil.copy(finished, draft)
        for day in range(1, days + 1):
            size, began = draft.stat().st_size, time.process_time()
            units = asyncio.run(_a_day(draft, FETCHED_AT + timedelta(days=day), day))
            grown, seconds = draft.stat().st_size - size, time.process_time() - began
            print(f"day {day}: {units:,} units, {grown:,} bytes more, {seconds:.1f} s", flush=True)
        draft.rename(path)
    return path


async def _a_day(path: Path, now: datetime, day: int) -> int:
    endpoint, kind = VIDEOS_BATCH_GET_STATS, BatchKind.STATISTICS
    budget = Budget(now.date(), 10_000, 1, endpoint.parts, endpoint.name, endpoint.bucket)
    async with Ledger(SqliteTransactionRunner(path)) as ledger:
        run = await ledger.open_run(this_process(), now, now + timedelta(hours=1))
        after = units = 0
        while old := await ledger.old_responses(now - timedelta(hours=12), after, 500, None, kind):
            after = old[-1].call_id
            for response in old:
                batch = await ledger.claim_old(run, budget, now, response.call_id, now, kind)
                assert isinstance(batch, Batch), batch
                await ledger.settle(batch, _answer(await _first_views(ledger, response.call_id), day), now)
                units += batch.units
        await ledger.close_run(run, now, "nothing left")
    return units


async def _first_views(ledger: Ledger, call_id: int) -> dict[str, int]:
    """The views of each video in a response."""
    if call_id not in _VIEWS:
        page = json.loads((await ledger.bodies([call_id]))[call_id].raw())
        _VIEWS[call_id] = {item["id"]: int(item["statistics"].get("viewCount", 0)) for item in page["items"]}
    return _VIEWS[call_id]


def _answer(first_views: dict[str, int], day: int) -> Outcome:
    items = []
    for video_id, first in first_views.items():
        rng = random.Random(video_id)
        views = first + int(day ** rng.uniform(0.5, 1.5) * rng.paretovariate(0.6) * 10)
        counts = {"viewCount": str(views), "likeCount": str(views // 50), "commentCount": str(views // 900)}
        etag = hashlib.sha256(f"{video_id}{counts}".encode()).hexdigest()[:27]
        items.append({"kind": "youtube#videoStats", "etag": etag, "id": video_id, "statistics": counts})
    page = {"kind": VIDEOS_BATCH_GET_STATS.answer_kind, "etag": "e", "items": items}
    plain = json.dumps(page, separators=(",", ":")).encode()
    data = gzip.compress(plain, 6, mtime=0)
    body = Body(data, "gzip", len(plain), hashlib.sha256(data).digest(), len(items))
    return Outcome(Verdict.GOOD, "ok", http_status=200, body=body, found=frozenset(first_views))


def main() -> None:
    """Measure on a copy."""
    videos, days = map(int, sys.argv[1:] or ("100000", "30"))
    ledger = with_history(videos, days)
    folder = ledger.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(ledger, folder / "harvest.db")
    print(f"{ledger}: {ledger.stat().st_size:,} bytes")
    for ending in FORMATS:
        place = f"statistics.{ending}"
        spent = _measured(folder, "export", place, "--table", "statistics")
        print(f"{place}: {spent}, {(folder / place).stat().st_size:,} bytes", flush=True)
    for command in (["export", "songs.jsonl"], ["verify"], ["status", "--html", "report.html"]):
        print(f"{' '.join(command)}: {_measured(folder, *command)}", flush=True)
    began = time.process_time()
    deleted = asyncio.run(_prune(folder / "harvest.db", FETCHED_AT + timedelta(days=1 + days // 30)))
    print(f"prune: {deleted:,} answers of the oldest days, {time.process_time() - began:.1f} s of processor")


async def _prune(path: Path, before: datetime) -> int:
    async with Ledger(SqliteTransactionRunner(path)) as ledger:
        return await prune_statistics(ledger, before + timedelta(hours=1))


def _measured(folder: Path, *arguments: str, **env: str) -> str:
    """Processor and wall seconds of a command, and the most memory that any child has held so far."""
    before, began = os.times(), time.monotonic()
    command = [sys.executable, "-m", "harvester", "-q", *arguments]
    subprocess.run(command, cwd=folder, env=os.environ | env, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    return f"{spent:.1f} s of processor, {time.monotonic() - began:.1f} s, {most} MB at most so far"


if __name__ == "__main__":
    main()
