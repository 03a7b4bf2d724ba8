"""Thirty days of statistics for 100,000 videos: units, growth of the ledger, export, verify and prune.

python -m benchmarks.history [VIDEOS] [DAYS]
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import random
import shutil
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.ledgers import FETCHED_AT, finished_ledger
from harvester.ledger.ledger import Ledger
from harvester.ledger.process_identity import this_process
from harvester.ledger.sqlite.connector import SqliteConnector
from harvester.model import BATCH_SIZE, Batch, BatchKind, Body, Budget, Outcome, Verdict
from harvester.youtube.endpoints import VIDEOS_BATCH_GET_STATS

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
    async with Ledger(SqliteConnector(path)) as ledger:
        run = await ledger.open_run(this_process(), now, now + timedelta(hours=1))
        after = units = 0
        while old := await ledger.old_responses(now - timedelta(hours=12), after, 500, None, kind):
            after = old[-1].call_id
            for response in old:
                batch = await ledger.claim_old(run, budget, now, response.call_id, now, kind)
                assert isinstance(batch, Batch), batch
                await ledger.settle(batch, _answer(batch.ids, day), now)
                units += batch.units
        await ledger.close_run(run, now, "nothing left")
    return units


def _answer(ids: tuple[str, ...], day: int) -> Outcome:
    items = []
    for video_id in ids:
        rng = random.Random(video_id)
        views = int(rng.paretovariate(0.4) * 100) + day * int(rng.paretovariate(0.6) * 10)
        counts = {"viewCount": str(views), "likeCount": str(views // 50), "commentCount": str(views // 900)}
        etag = hashlib.sha256(f"{video_id}{counts}".encode()).hexdigest()[:27]
        items.append({"kind": "youtube#videoStats", "etag": etag, "id": video_id, "statistics": counts})
    page = {"kind": VIDEOS_BATCH_GET_STATS.answer_kind, "etag": "e", "items": items}
    plain = json.dumps(page, separators=(",", ":")).encode()
    data = gzip.compress(plain, 6, mtime=0)
    body = Body(data, "gzip", len(plain), hashlib.sha256(data).digest(), len(items))
    return Outcome(Verdict.GOOD, "ok", http_status=200, body=body, found=frozenset(ids))


def main() -> None:
    videos, days = (int(text) for text in (sys.argv[1:] + ["100000", "30"][len(sys.argv) - 1 :]))
    path = with_history(videos, days)
    print(path, f"{path.stat().st_size:,}")


if __name__ == "__main__":
    main()
