"""Real ledgers of a crawl that is over or under way, made without an API: which call asked for which ids is chosen."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.ledger.ledger import Ledger
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.model import Batch, Body, Budget, Outcome, ProcessIdentity, Verdict
from harvester.simulator import Content, make_ids

if TYPE_CHECKING:
    from harvester.ledger.ledger import Ledger

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
FETCHED_AT = NOW - timedelta(hours=1)
BATCH = 50

Calls = Sequence[Sequence[int]]
"""The load positions that each call asked for, the first id being at position 1."""


def in_order(videos: int, size: int = BATCH) -> Calls:
    """As an undisturbed crawl asks."""
    return [range(first, min(first + size, videos + 1)) for first in range(1, videos + 1, size)]


def scattered(videos: int, size: int = BATCH) -> Calls:
    """The worst that can be: neighbours in the load order never come by the same call."""
    calls = -(-videos // size)
    return [range(first, videos + 1, calls) for first in range(1, calls + 1)]


def crawled_ledger(path: Path, videos: int, calls: Calls, *, missing_share: float = 0.07, skip: int = 0) -> list[str]:
    """A ledger at `path` of so many ids, after those calls; what none of them asked for is pending. The ids.

    They are those after the first `skip` of the simulated catalogue.
    """
    ids = list(make_ids(1, skip + videos))[skip:]
    prepare(path)
    asyncio.run(crawl(Ledger(SqliteTransactionRunner(path)), ids, calls, missing_share=missing_share))
    return ids


async def crawl(opened: Ledger, ids: list[str], calls: Calls, *, missing_share: float) -> None:
    """Load the ids, and make those calls; close the ledger."""
    content = Content(1, missing_share)
    async with opened as ledger:
        await ledger.add(ids, [], await ledger.last_position())
        run_id = await ledger.open_run(ProcessIdentity("here", "boot", 1, "1"), FETCHED_AT, NOW)
        for positions in calls:
            batch = await ledger.claim(run_id, Budget(date(2026, 11, 23), 1_000_000, 1), FETCHED_AT, list(positions))
            assert isinstance(batch, Batch)
            await ledger.settle(batch, _answer(batch.ids, content), FETCHED_AT)
        await ledger.close_run(run_id, FETCHED_AT, "done")


def _answer(ids: Sequence[str], content: Content) -> Outcome:
    found = [video_id for video_id in ids if content.exists(video_id)]
    items = b",".join(content.items(found))
    raw = b'{"kind":"youtube#videoListResponse","items":[%b]}' % items
    data = gzip.compress(raw, 1, mtime=0)
    body = Body(data, "gzip", len(raw), hashlib.sha256(data).digest(), len(found))
    return Outcome(Verdict.GOOD, "ok", 200, body=body, found=frozenset(found))
