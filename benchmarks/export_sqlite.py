"""The SQLite database beside `sqlite-utils insert` of the same rows: `python -m benchmarks export_sqlite`.

Ours reads a ledger: it decompresses and decodes the responses, writes the rows of three tables, and makes indexes and
full text search. Theirs reads the rows as lines of JSON, and writes the same three tables without any of that, unless
`enable-fts` and `create-index` are run too. Both are whole processes, with what they import.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure, ratios
from benchmarks.ledgers import finished_ledger
from benchmarks.measure import Measured, run_process

CALLS = 400
"""A thirtieth of the crawl: sqlite-utils, which commits every hundred rows, takes minutes for a tenth of it."""
MB = 1e6
TABLES = {"videos": ["id"], "tags": ["video_id", "position"], "topics": ["video_id", "position"]}
INDEXES = {
    "videos": ["snippet_channelId", "snippet_channelTitle", "snippet_publishedAt", "statistics_viewCount"],
    "tags": ["tag"],
    "topics": ["topic"],
}


def measure(rounds: int) -> list[Figure]:
    """The figures of the table, in order."""
    ledger = finished_ledger(CALLS)
    ours: list[Measured] = []
    inserts: list[list[Measured]] = []
    rest: list[list[Measured]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(rounds):
            place = folder / "ours.db"
            ours.append(_ours(ledger, place))
            if not number:
                _write_rows(place, folder)
            (folder / "theirs.db").unlink(missing_ok=True)
            inserts.append([_insert(folder, table) for table in TABLES])
            rest.append(_search_and_indexes(folder))
        sizes = [(folder / file).stat().st_size / MB for file in ("ours.db", "theirs.db")]
    cpu = [each.cpu_seconds for each in ours]
    wall = [each.seconds for each in ours]
    cpu_inserts = [sum(each.cpu_seconds for each in some) for some in inserts]
    cpu_all = [one + sum(each.cpu_seconds for each in some) for one, some in zip(cpu_inserts, rest, strict=True)]
    wall_inserts = [sum(each.seconds for each in some) for some in inserts]
    return [
        Figure("export sqlite: time against sqlite-utils insert", ratios(wall, wall_inserts), must=0.33, aim=0.2),
        Figure(
            "export sqlite: CPU time against theirs with search and indexes", ratios(cpu, cpu_all), must=0.33, aim=0.2
        ),
        Figure(
            "export sqlite: CPU time against sqlite-utils insert alone", ratios(cpu, cpu_inserts), must=0.33, aim=0.2
        ),
        Figure("export sqlite: peak memory", [each.peak_bytes / MB for each in ours], "MB", must=150, aim=100),
        Figure("export sqlite", cpu, "CPU s"),
        Figure("sqlite-utils insert", cpu_inserts, "CPU s"),
        Figure("size of ours", sizes[:1], "MB"),
        Figure("size of theirs", sizes[1:], "MB"),
    ]


def _ours(ledger: Path, place: Path) -> Measured:
    command = [sys.executable, "-m", "harvester", "-q", "export", place]
    return run_process(command, env={"HARVESTER_LEDGER__URL": f"sqlite:///{ledger}"}, cwd=place.parent)


def _write_rows(database: Path, folder: Path) -> None:
    """The rows of each table as lines of JSON."""
    with closing(sqlite3.connect(database)) as db:
        db.row_factory = sqlite3.Row
        for table in TABLES:
            with (folder / f"{table}.jsonl").open("w", encoding="utf-8") as file:
                for row in db.execute(f"SELECT * FROM {table} ORDER BY rowid"):
                    file.write(json.dumps(dict(row)) + "\n")


def _insert(folder: Path, table: str) -> Measured:
    keys = [word for column in TABLES[table] for word in ("--pk", column)]
    return _sqlite_utils("insert", folder / "theirs.db", table, folder / f"{table}.jsonl", "--nl", *keys)


def _search_and_indexes(folder: Path) -> list[Measured]:
    place = folder / "theirs.db"
    search = _sqlite_utils("enable-fts", place, "videos", "snippet_title", "snippet_description")
    indexes = [("create-index", place, table, column) for table, columns in INDEXES.items() for column in columns]
    return [search, *(_sqlite_utils(*arguments) for arguments in indexes)]


def _sqlite_utils(*arguments: str | Path) -> Measured:
    command: Sequence[str | Path] = [Path(sys.executable).with_name("sqlite-utils"), *arguments]
    return run_process(command)
