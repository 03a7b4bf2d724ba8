"""docs/postgresql/*.sql cut `responses` into partitions: the statements work, and a ledger works with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from children import Program
from crawl_children import PrepareCrawl

from harvester.ledger.transactions.transaction import instant

FOLDER = Path(__file__).parents[2] / "docs" / "postgresql"
OF_STATISTICS = """
SELECT array_agg(of_call ORDER BY of_call) FROM calls JOIN responses ON call_id = id
WHERE endpoint = 'videos.batchGetStats'
"""
OF_VIDEOS = "SELECT count(item_count) FROM calls_readable WHERE endpoint = 'videos.list'"
PLACES = "SELECT tableoid::regclass::text, array_agg(call_id ORDER BY call_id) FROM responses GROUP BY 1"


def statements() -> list[str]:
    """Those that cut, and those that drop; a partition is of two calls instead of two million."""
    files = (FOLDER / "partitions.sql", FOLDER / "drop_partition.sql")
    return [path.read_text(encoding="utf-8").replace("000000", "") for path in files]


def places(db: psycopg.Connection) -> dict[str, list[int]]:
    return dict(db.execute(PLACES).fetchall())


def ok(harvester: Program, *arguments: str) -> str:
    done = harvester.here("-q", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_older(db: psycopg.Connection, days: int, *calls: int) -> None:
    """As if these responses had come so many days earlier."""
    then = instant(datetime.now(UTC) - timedelta(days=days))
    assert db.execute("UPDATE responses SET fetched_at = %s WHERE call_id = ANY(%s)", [then, [*calls]]).rowcount


def test_a_ledger_in_partitions_crawls_exports_refreshes_and_prunes(prepare_crawl: PrepareCrawl) -> None:
    crawl = prepare_crawl(400, concurrency=1, latency_seconds=0)
    cut, drop = statements()
    ok(crawl.harvester, "run", "--max-calls", "1")
    with psycopg.connect(crawl.url, autocommit=True) as db:
        db.execute(cut)
        ok(crawl.harvester, "init")
        ok(crawl.harvester, "run")
        assert places(db) == {
            "responses_1": [1],
            "responses_2": [2, 3],
            "responses_3": [4, 5],
            "responses_rest": [6, 7, 8],
        }
        crawl.assert_sound()
        ok(crawl.harvester, "export", "songs.jsonl", "--format", "jsonl")
        assert "is what its manifest says" in ok(crawl.harvester, "verify", "--export", "songs.jsonl")

        make_older(db, 26, 2, 3)
        ok(crawl.harvester, "refresh", "--older-than", "25d")
        assert places(db)["responses_rest"] == [6, 7, 8, 9, 10]
        with pytest.raises(psycopg.errors.AssertFailure, match="responses_1 still holds some"):
            db.execute(drop.replace("responses_2", "responses_1"))
        db.execute(drop)
        make_older(db, 31, 1)
        ok(crawl.harvester, "prune", "--older-than", "30d")
        make_older(db, 2, 4, 5)
        ok(crawl.harvester, "refresh", "--statistics-only")
        assert db.execute(OF_STATISTICS).fetchone() == ([4, 5],)
        assert places(db).keys() == {"responses_3", "responses_rest"}

        ok(crawl.harvester, "run")
        assert crawl.status()["videos"]["pending"] == 0
        crawl.assert_sound()
        assert db.execute(OF_VIDEOS).fetchone() == (8,)
