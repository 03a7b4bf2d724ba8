"""The table of statistics is exact in each format: each fetch a row, each count as it was sent, nothing lost."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from memory_reader import MemoryReader
from published import FETCHED_AT, publish, unpacked
from reference import expected, parsed

from harvester.config import ExportSettings
from harvester.export import check_published
from harvester.export.formats.statistics import COUNTS, NAMES

Row = dict[str, Any]
EVERY_FORMAT = [("jsonl", "none"), ("jsonl", "gzip"), ("jsonl", "zstd"), ("csv", "none"), ("csv-safe", "gzip")]
EVERY_FORMAT += [("parquet", "none"), ("sqlite", "none")]


def rows_of(place: Path, name: str) -> list[Row]:
    """The rows as their readers get them."""
    if name == "parquet":
        return pq.read_table(place).to_pylist()  # type: ignore[no-any-return]
    if name == "sqlite":
        with closing(sqlite3.connect(place)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute("SELECT * FROM statistics ORDER BY rowid")]
    text = unpacked(place).decode()
    if name == "jsonl":
        return [dict.fromkeys(NAMES) | json.loads(line) for line in text.split("\n") if line]
    rows: list[Row] = list(csv.DictReader(text.splitlines(keepends=True)))
    for row in rows:
        row |= {key: None if row[key] == "" else int(row[key]) for key in COUNTS}
        row["other_json"] = row["other_json"] or None
        row["id"] = row["id"].removeprefix("'") if name == "csv-safe" else row["id"]
    return rows


def wanted(raw: bytes) -> Row | None:
    if parsed(raw).get("statistics") is None:
        return None
    columns, leftovers = expected(raw)
    return {name: columns.get(f"statistics_{name}") for name in COUNTS} | {
        "id": columns["id"],
        "other_json": leftovers.get("statistics"),
    }


@pytest.mark.parametrize(("name", "packing"), EVERY_FORMAT)
def test_each_count_of_each_answer(
    reader: MemoryReader, videos: list[bytes], tmp_path: Path, name: str, packing: str
) -> None:
    place = publish(reader, tmp_path, name, packing, table="statistics")
    rows = rows_of(place, name)
    for row in rows:
        at = row.pop("fetched_at")
        assert (at if isinstance(at, datetime) else datetime.fromisoformat(at)).astimezone(UTC) == FETCHED_AT
        row["other_json"] = row["other_json"] and parsed(row["other_json"])
    assert rows == [row for row in map(wanted, videos) if row is not None]
    settings = ExportSettings(uri=str(place))
    assert check_published(str(place), reader, settings) == []  # type: ignore[arg-type]
    again = publish(reader, tmp_path, name, packing, place=tmp_path / "again", table="statistics")
    assert again.read_bytes() == place.read_bytes()


def test_an_empty_history_is_an_empty_table(tmp_path: Path) -> None:
    for name, packing in EVERY_FORMAT:
        assert rows_of(publish(MemoryReader([]), tmp_path, name, packing, table="statistics"), name) == []
