"""The WAL of a SQLite ledger is taken into the file during a run."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from ledger_kit import NOW, SqliteDatabase, a_batch, a_run, good, video_ids
from waiting import until

from harvester.ledger.sqlite import transaction_runner
from harvester.ledger.sqlite.connection import checkpoint


def settled_in_file_alone(path: Path) -> int:
    """By the file without its WAL. It is read as if nobody wrote to it, so what is read meanwhile may be damaged."""
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as db, suppress(sqlite3.DatabaseError):
        return int(db.execute("SELECT count(*) FROM calls WHERE state = 'ok'").fetchone()[0])
    return 0


async def test_what_was_committed_is_in_the_file_before_the_ledger_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction_runner, "CHECKPOINT_JOBS", 5)
    database = SqliteDatabase(tmp_path)
    ledger = database.ledger(lambda _: True)
    await ledger.add(video_ids(500), [], 0)
    run = await a_run(ledger)
    for _ in range(6):
        batch = await a_batch(ledger, run)
        await ledger.settle(batch, good(batch), NOW)
    await until(lambda: settled_in_file_alone(database.path) > 3)
    await ledger.close()
    assert settled_in_file_alone(database.path) == 6


def test_a_file_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    checkpoint(tmp_path / "gone.db")
    assert list(tmp_path.iterdir()) == []
