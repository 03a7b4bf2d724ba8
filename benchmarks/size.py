"""How large a ledger is before the crawl: `python -m benchmarks size`."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from itertools import islice
from pathlib import Path

from benchmarks.figures import Figure
from harvester.ledger.ledger import Ledger
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.simulator import make_ids

IDS = 1_000_000
CHUNK = 250_000


def measure(rounds: int) -> list[Figure]:
    """The line of the table. The file comes out the same each time: one round tells."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "harvest.db"
        prepare(path)
        asyncio.run(_fill(path))
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = path.stat().st_size
    return [Figure("ledger before the crawl, a million ids", [size / 1e6], "MB", must=60, aim=40)]


async def _fill(path: Path) -> None:
    ids = iter(make_ids(1, IDS))
    async with Ledger(SqliteTransactionRunner(path)) as ledger:
        while chunk := list(islice(ids, CHUNK)):
            await ledger.add(chunk, (), 0)
