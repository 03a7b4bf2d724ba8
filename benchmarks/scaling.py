"""What grows with a crawl, and how: `python -m benchmarks.scaling`, which takes half an hour and 15 GB of disk.

Ledgers of ever more ids, and of ever more responses, filled by plain SQL since that is quicker than a crawl; then what
a user waits for is measured on each. Not part of `make bench`, for it takes longer than all of that.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.ledgers import finished_ledger
from benchmarks.measure import run_process
from benchmarks.sink import Sink
from harvester.app import Harvester
from harvester.config import isolated_config
from harvester.ledger.sqlite import connection
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.transaction import SqliteTransaction
from harvester.ledger.transactions.claim import Claim, claim_all
from harvester.ledger.transactions.settle import Settlement, settle_all
from harvester.ledger.transactions.transaction import Transaction, instant
from harvester.model import Batch, Body, Budget, Outcome, Verdict

HARVESTER = Path(sys.executable).with_name("harvester")
IDS = (631_348, 6_313_480, 63_134_800)
RESPONSES = (12_627, 50_508, 250_014)
CALLS = 12_627
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
BUDGET = Budget(NOW.date(), 10**12, 1)
CLAIMS = 200

T = TypeVar("T")

# Eleven characters without any order, as video ids are. The factor is odd, so no two are alike up to 2^44.
_FILL = """
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)
INSERT INTO videos (video_id) SELECT printf('%011x', (i * 118232617941) & 17592186044415) FROM n
"""
_CHUNK = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--ids", type=int, nargs="*", default=IDS)
    parser.add_argument("--responses", type=int, nargs="*", default=RESPONSES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for count in arguments.ids:
            path = Path(folder) / "ids.db"
            print(json.dumps({"ids": count} | of_ids(path, count)), flush=True)
            _remove(path)
        for count in arguments.responses:
            path = Path(folder) / "responses.db"
            print(json.dumps({"responses": count} | of_responses(path, count)), flush=True)
            _remove(path)


def of_ids(path: Path, count: int) -> dict[str, object]:
    """A ledger before its crawl, then in the middle of it."""
    fill_ids(path, count)
    size = path.stat().st_size
    with writing(path) as db:
        claim_ms, settle_ms = claim_and_settle(db)
        # In the middle of the load order: what was settled before is passed over at no cost.
        db.execute("UPDATE video_states SET first_position = :half WHERE code = 0", {"half": count // 2})
        later_ms, _ = claim_and_settle(db)
    return {
        "bytes an id": round(size / count, 1),
        "claim ms": claim_ms,
        "claim in the middle ms": later_ms,
        "settle ms": settle_ms,
        "status s": status_seconds(path),
    }


def fill_ids(path: Path, count: int) -> None:
    """Without the index of the ids meanwhile, which is built at the end: to fill it in no order would take hours."""
    prepare(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -1000000")
        index = db.execute("SELECT sql FROM sqlite_master WHERE name = 'ux_videos_video_id'").fetchone()[0]
        db.execute("DROP INDEX ux_videos_video_id")
        for first in range(1, count + 1, _CHUNK):
            db.execute(_FILL, {"first": first, "last": min(count, first + _CHUNK - 1)})
        db.execute(index)
        db.execute("UPDATE video_states SET videos = :count WHERE code = 0", {"count": count})
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def claim_and_settle(db: sqlite3.Connection) -> tuple[float, float]:
    """Milliseconds of one claim and of one settlement, each with its commit, medians of many one by one."""
    body = Body(b"{}", "identity", 2, b"0" * 32, 0)
    now = instant(NOW)
    db.execute("INSERT OR IGNORE INTO runs VALUES (1, 'h', 'b', 1, 'p', ?, ?, ?, 'done')", (now, now, now))
    claims: list[float] = []
    settlements: list[float] = []
    for _ in range(CLAIMS):
        seconds, (batch,) = timed(db, lambda tx: claim_all(tx, [Claim(1, BUDGET, NOW)]))
        assert isinstance(batch, Batch)
        claims.append(seconds)
        good = Outcome(Verdict.GOOD, "ok", http_status=200, body=body, found=frozenset(batch.ids))
        seconds, _ = timed(db, partial(_settled, Settlement(batch, good, NOW)))
        settlements.append(seconds)
    return round(1000 * statistics.median(claims), 3), round(1000 * statistics.median(settlements), 3)


def _settled(one: Settlement, tx: Transaction) -> list[bool]:
    return settle_all(tx, [one])


def timed(db: sqlite3.Connection, work: Callable[[Transaction], list[T]]) -> tuple[float, list[T]]:
    began = time.perf_counter()
    db.execute("BEGIN IMMEDIATE")
    tx = SqliteTransaction(db)
    result = work(tx)
    tx.flush_counts()
    db.execute("COMMIT")
    return time.perf_counter() - began, result


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection just as the ledger's own."""
    engine = connection.writing_engine(path)
    pooled = engine.raw_connection()
    driver = pooled.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    yield driver
    pooled.close()
    engine.dispose()


def status_seconds(path: Path) -> float:
    """Of the whole process, the median of five."""
    env = {"HARVESTER_LEDGER__URL": f"sqlite:///{path}"}
    runs = [run_process([HARVESTER, "status"], env=env, cwd=path.parent).seconds for _ in range(5)]
    return round(statistics.median(runs), 3)


def of_responses(path: Path, count: int) -> dict[str, object]:
    """A ledger after its crawl: the same bodies again and again, which is nothing to an export to gzip."""
    fill_responses(path, count)
    export = {"uri": "s3://bucket/songs.json.gz", "format": "json", "compression": "gzip"}
    config = isolated_config({"ledger": {"url": f"sqlite:///{path}"}, "export": export})
    with Sink() as sink:
        argv = [sys.executable, "-m", "benchmarks.children.our_export", path, export["uri"], "json", "gzip"]
        measured = run_process(argv, env=sink.env)
    began = time.perf_counter()
    with Harvester(config).reader() as reader:
        for _ in reader.sizes():
            pass
    survey = time.perf_counter() - began
    return {
        "ledger GB": round(path.stat().st_size / 1e9, 2),
        "export gzip s": round(float(measured.stdout), 2),
        "export peak MB": round(measured.peak_bytes / 1e6),
        "survey s": round(survey, 2),
        "status s": status_seconds(path),
    }


def fill_responses(path: Path, count: int) -> None:
    prepare(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("ATTACH :source AS source", {"source": str(finished_ledger(CALLS))})
        db.execute("INSERT INTO runs SELECT * FROM source.runs")
        db.execute("INSERT INTO quota_days SELECT * FROM source.quota_days")
        for done in range(0, count, CALLS):
            values = {"done": done, "most": min(CALLS, count - done)}
            db.execute(_MORE_CALLS, values)
            db.execute(_MORE_RESPONSES, values)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


_MORE_CALLS = """
INSERT INTO calls SELECT id + :done, run_id, quota_day, units, ids, attempt, first_position + 50 * :done,
    last_position + 50 * :done, state, http_status, reason, started_at, finished_at, parts, bucket, endpoint, of_call
FROM source.calls WHERE id <= :most
"""
_MORE_RESPONSES = """
INSERT INTO responses SELECT call_id + :done, encoding, raw_bytes, stored_bytes, item_count, fetched_at, sha256, body
FROM source.responses WHERE call_id <= :most
"""


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
