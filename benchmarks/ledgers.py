"""Ledgers to measure on: a whole crawl of synthetic videos, compressed as a web server would."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harvester.ledger.ledger import Ledger
from harvester.ledger.process_identity import this_process
from harvester.ledger.sqlite.migrate import REVISION, prepare
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.model import BATCH_SIZE, Batch, Body, Budget, Outcome, Verdict
from harvester.simulator import make_ids
from harvester.simulator.content.render import render_list
from harvester.simulator.content.videos import Content

CACHE = Path(tempfile.gettempdir()) / "harvester-bench"
FETCHED_AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
_AT_ONCE = 64


def finished_ledger(calls: int) -> Path:
    """The ledger of a crawl of that many calls, done in a day; made once and kept in CACHE."""
    path = CACHE / f"finished-{calls}-{REVISION}.db"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        print(f"making {path} …", flush=True)
        draft = path.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        prepare(draft)
        asyncio.run(_fill(draft, calls))
        draft.rename(path)
    return path


async def _fill(path: Path, calls: int) -> None:
    ids = list(make_ids(1, calls * BATCH_SIZE))
    budget = Budget(FETCHED_AT.date(), calls, 1)
    async with Ledger(SqliteTransactionRunner(path)) as ledger:
        await ledger.add(ids, (), 0)
        run = await ledger.open_run(this_process(), FETCHED_AT, FETCHED_AT + timedelta(hours=1))
        for body, found in _answers(ids):
            batch = await ledger.claim(run, budget, FETCHED_AT)
            assert isinstance(batch, Batch), batch
            await ledger.settle(batch, Outcome(Verdict.GOOD, "ok", http_status=200, body=body, found=found), FETCHED_AT)
        await ledger.close_run(run, FETCHED_AT, "nothing left")


def _answers(ids: list[str]) -> Iterator[tuple[Body, frozenset[str]]]:
    batches = [ids[start : start + BATCH_SIZE] for start in range(0, len(ids), BATCH_SIZE)]
    with ProcessPoolExecutor() as pool:
        for start in range(0, len(batches), _AT_ONCE):
            yield from pool.map(_answer, batches[start : start + _AT_ONCE], chunksize=8)


def _answer(ids: list[str]) -> tuple[Body, frozenset[str]]:
    plain = render_list(_CONTENT, ids)
    data = gzip.compress(plain, 6, mtime=0)
    found = frozenset(item["id"] for item in json.loads(plain)["items"])
    return Body(data, "gzip", len(plain), hashlib.sha256(data).digest(), len(found)), found


_CONTENT = Content(1)
