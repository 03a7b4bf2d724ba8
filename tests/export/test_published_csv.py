"""CSV is what Parquet is, cell by cell, to the readers that people have."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from memory_reader import MemoryReader
from published import files_of, page_of, publish, reader_of, some_parts, unpacked

from harvester.config import ExportSettings
from harvester.export import check_published
from harvester.export.formats.arrow_schema import schema
from harvester.export.read_back import ids_in

KINDS: dict[str, pa.DataType] = {
    field.name: field.type
    for field in schema()
    if not pa.types.is_struct(field.type) and not pa.types.is_map(field.type)
}
"""The columns that CSV has."""
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "\r\n", '=HYPERLINK("http://x","y")', "-"]
TEXTS = [
    "",
    "plain",
    'in "quotes"',
    '"',
    '""',
    ",",
    "a,b",
    "\r\n",
    "two\nlines",
    " ",
    "'",
    "'=1",
    "🎵",
    "\u2028",
    "a=1",
]


def rows_of_parquet(reader: MemoryReader, folder: Path) -> list[dict[str, Any]]:
    table = pa.concat_tables(pq.read_table(file) for file in files_of(publish(reader, folder, "parquet")))
    return [{name: row[name] for name in KINDS} for row in table.to_pylist()]


def cells_of(place: Path) -> list[dict[str, str]]:
    texts = [unpacked(file).decode() for file in files_of(place)]
    assert all(text.endswith("\r\n") for text in texts)
    return [row for text in texts for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)]


def meant(cell: str, kind: pa.DataType) -> Any:
    """The value that a cell says. Neither csv nor pandas tells an empty text from none."""
    if pa.types.is_string(kind) or cell == "":
        return cell or None
    if pa.types.is_list(kind):
        return json.loads(cell)
    if pa.types.is_boolean(kind):
        return {"true": True, "false": False}[cell]
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(cell)
    return float(cell) if pa.types.is_floating(kind) else int(cell)


def video(number: int, title: str) -> bytes:
    snippet = {"title": title, "description": f"{title},{title}", "tags": [title, "b"], "localized": {"title": title}}
    return json.dumps({"id": f"{number:011}", "snippet": snippet}).encode()


@pytest.mark.parametrize("packing", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("in_parts", [False, True], ids=["file", "parts"])
def test_every_cell_is_that_of_parquet(reader: MemoryReader, tmp_path: Path, packing: str, in_parts: bool) -> None:
    place = publish(reader, tmp_path, "csv", packing, some_parts(reader, "csv", packing) if in_parts else None)
    found = [{name: meant(row[name], kind) for name, kind in KINDS.items()} for row in cells_of(place)]
    wanted = rows_of_parquet(reader, tmp_path)
    assert len(found) == len(wanted)
    for row, other in zip(found, wanted, strict=True):
        assert row == {name: None if value == "" else value for name, value in other.items()}
    assert list(cells_of(place)[0]) == list(KINDS)
    assert check_published(str(place), reader, ExportSettings()) == []  # type: ignore[arg-type]


def test_duckdb_and_pandas_read_the_same(reader: MemoryReader, tmp_path: Path) -> None:
    place, wanted = publish(reader, tmp_path, "csv"), rows_of_parquet(reader, tmp_path)
    read = f"read_csv('{place}', all_varchar=true, header=true, allow_quoted_nulls=false, max_line_size=100000000)"
    with duckdb.connect() as db:
        # It tells an empty text from none: one is quoted.
        found = db.sql(f"select id, snippet_title, snippet_description, other_json from {read}").fetchall()
    names = ("id", "snippet_title", "snippet_description", "other_json")
    assert found == [tuple(row[name] for name in names) for row in wanted]
    frame = pd.read_csv(place, dtype=str, keep_default_na=False)
    assert list(frame.columns) == list(KINDS)
    for name in names:
        assert frame[name].tolist() == [row[name] or "" for row in wanted]


@pytest.mark.parametrize("name", ["csv", "csv-safe"])
def test_no_cell_of_a_safe_file_begins_as_a_formula(tmp_path: Path, name: str) -> None:
    titles = [*FORMULAS, *TEXTS]
    reader = reader_of([page_of([video(number, title) for number, title in enumerate(titles)])])
    place = tmp_path / "songs.csv"
    publish(reader, tmp_path, name, place=place)
    guard = "'" if name == "csv-safe" else ""
    rows = cells_of(place)
    for row, title in zip(rows, titles, strict=True):
        assert row["snippet_title"] == (guard + title if title in FORMULAS else title)
        assert json.loads(row["snippet_tags"]) == [title, "b"]
    begins = {cell[0] for row in rows for cell in row.values() if cell}
    assert bool(begins & set("=+-@\t\r\n")) is (name == "csv")
    assert check_published(str(place), reader, ExportSettings()) == []  # type: ignore[arg-type]


def test_a_guarded_id_is_still_the_ledgers(tmp_path: Path) -> None:
    reader = reader_of([page_of([b'{"id": "-0123456789"}', b'{"id": "=123456789A"}'])])
    place = tmp_path / "songs.csv"
    publish(reader, tmp_path, "csv-safe", place=place)
    assert [row["id"] for row in cells_of(place)] == ["'-0123456789", "'=123456789A"]
    assert check_published(str(place), reader, ExportSettings()) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no column of ids"),
        (b"name\r\nx\r\n", "no column of ids"),
        (b"id,x\r\na\r\n", "not as many cells"),
        (b'id,x\r\na,"b\r\n', "unexpected end"),
        (b"id,x\r\n\xff,b\r\n", "utf-8"),
    ],
)
def test_what_is_no_table_is_said_to_be_none(text: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        list(ids_in(io.BytesIO(text), "csv", "none"))
