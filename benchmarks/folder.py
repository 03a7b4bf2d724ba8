"""Folders of parts that are exported to again: `python -m benchmarks folder`.

The second export of a folder in which one part of about a hundred changed, against the first one, each a whole command;
and the bytes of the parts that are written on each of the fourteen days of a crawl, which is what S3 is sent.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure, ratios
from benchmarks.ledgers import finished_ledger
from benchmarks.measure import Measured, run_process

CALLS = 12_627
DAYS = 14
PARTS = 100
_HELD = """
CREATE TABLE held_videos AS SELECT position, state, call_id FROM videos;
CREATE TABLE held AS SELECT * FROM responses;
UPDATE videos SET state = 0;
DELETE FROM responses;
"""
_GROW = (
    "INSERT INTO responses SELECT * FROM held WHERE call_id BETWEEN ? AND ?",
    "UPDATE videos SET state = h.state FROM held_videos h WHERE h.position = videos.position"
    " AND h.call_id BETWEEN ? AND ?",
)


def measure(rounds: int, calls: int = CALLS) -> list[Figure]:
    """The figures of the table, in order."""
    first, second, peaks = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        ledger = Path(shutil.copy(finished_ledger(calls), scratch))
        most_bytes = ledger.stat().st_size // PARTS
        for number in range(rounds):
            songs = Path(scratch) / f"songs-{number}"
            first.append(_export(ledger, songs, most_bytes).cpu_seconds)
            _fetch_again(ledger, calls // 2 + number)
            again = _export(ledger, songs, most_bytes)
            second.append(again.cpu_seconds)
            peaks.append(again.peak_bytes / 1e6)
        parts = len(list(songs.iterdir()))
        grown, written = zip(*_days(ledger, Path(scratch) / "daily", most_bytes, calls), strict=True)
    named = f"second export of {parts} parts, one or two changed"
    return [
        Figure(f"{named}: CPU against the first", ratios(second, first), must=0.1, aim=0.03),
        Figure(f"{named}: CPU", second, "s"),
        Figure(f"{named}: peak memory", peaks, "MB"),
        Figure("a day's export: bytes written against the day's own", ratios(written, grown)),
        *(Figure(f"day {day}: written", [size / 1e6], "MB") for day, size in enumerate(written, 1)),
    ]


def _export(ledger: Path, songs: Path, most_bytes: int) -> Measured:
    line = [sys.executable, "-m", "harvester", "-q", "export", songs, "--format", "parquet"]
    settings = {"HARVESTER_LEDGER__URL": f"sqlite:///{ledger}"}
    return run_process([*line, "--max-part-bytes", str(most_bytes)], env=settings, cwd=ledger.parent)


def _fetch_again(ledger: Path, call_id: int) -> None:
    with closing(sqlite3.connect(ledger)) as db, db:
        db.execute("UPDATE responses SET fetched_at = '2026-11-03T12:00:00.000000Z' WHERE call_id = ?", (call_id,))


def _days(ledger: Path, songs: Path, most_bytes: int, calls: int) -> Iterator[tuple[int, int]]:
    """Of each day the bytes by which the export grew, and those of the parts that were written."""
    manifest, before, size = songs.with_name("daily.manifest.json"), set(), 0
    with closing(sqlite3.connect(ledger)) as db:
        db.executescript(_HELD)
        for day in range(DAYS):
            with db:
                for statement in _GROW:
                    db.execute(statement, (day * calls // DAYS + 1, (day + 1) * calls // DAYS))
            _export(ledger, songs, most_bytes)
            output = json.loads(manifest.read_bytes())
            yield output["bytes"] - size, sum(part["bytes"] for part in output["parts"] if part["file"] not in before)
            before, size = {part["file"] for part in output["parts"]}, output["bytes"]
