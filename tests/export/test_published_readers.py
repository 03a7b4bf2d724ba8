"""The tools of the people downstream read what was published, and get what the API had said."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from figures import CHANNEL, VIEWS, ByChannel, by_channel, nulls, same_figures
from hostile import hostile_videos
from memory_reader import MemoryReader
from published import EVERY_FORMAT, FETCHED_AT, files_of, pages_of, publish, reader_of, some_parts, videos_in
from reference import expected, micros, moments, parsed, plain_row

JSON_FORMATS = [entry for entry in EVERY_FORMAT if entry[0] in ("json", "jsonl")]
IN_PARTS = pytest.mark.parametrize("in_parts", [False, True], ids=["file", "parts"])


@pytest.fixture
def real_reader(real_videos: list[bytes]) -> MemoryReader:
    return reader_of(pages_of(real_videos))


def published(reader: MemoryReader, folder: Path, name: str, packing: str, in_parts: bool) -> Path:
    return publish(reader, folder, name, packing, some_parts(reader, name, packing) if in_parts else None)


@pytest.mark.parametrize(("name", "packing"), JSON_FORMATS)
def test_python_reads_every_video(
    reader: MemoryReader, videos: list[bytes], tmp_path: Path, name: str, packing: str
) -> None:
    found = list(videos_in(publish(reader, tmp_path, name, packing)))
    assert found == [json.loads(video) for video in videos]


class TestJq:
    @pytest.mark.parametrize(("name", "query"), [("json", ".[].items[]"), ("jsonl", ".")])
    def test_every_video(
        self, reader: MemoryReader, videos: list[bytes], tmp_path: Path, name: str, query: str
    ) -> None:
        if not (jq := shutil.which("jq")):
            pytest.skip("jq is not installed")
        picked = f"{query} | [.id, .snippet.title?, .statistics.commentCount?]"
        line = [jq, "--compact-output", picked, str(publish(reader, tmp_path, name))]
        output = subprocess.run(line, capture_output=True, check=True).stdout
        rows = [json.loads(row) for row in output.decode().split("\n") if row]
        assert rows == [[video["id"], *_picked(video)] for video in map(json.loads, videos)]


class TestPandas:
    @IN_PARTS
    def test_parquet(self, real_reader: MemoryReader, real_videos: list[bytes], tmp_path: Path, in_parts: bool) -> None:
        songs = pd.read_parquet(published(real_reader, tmp_path, "parquet", "none", in_parts))
        assert list(songs["id"]) == [json.loads(video)["id"] for video in real_videos]
        assert str(songs["snippet_publishedAt"].dtype) == "datetime64[us, UTC]"
        views = songs.groupby(CHANNEL, dropna=False)[VIEWS].agg(["sum", "mean", "min", "max", "std", "count"])
        assert same_figures(_from_pandas(views), by_channel(real_videos))
        columns = [name for name in songs if name not in ("other_json", "fetched_at")]
        assert songs[columns].isna().sum().to_dict() == nulls(real_videos, columns)

    @pytest.mark.parametrize("packing", ["none", "gzip", "zstd"])
    def test_jsonl(self, real_reader: MemoryReader, real_videos: list[bytes], tmp_path: Path, packing: str) -> None:
        songs = pd.read_json(publish(real_reader, tmp_path, "jsonl", packing), lines=True, dtype=False)
        assert songs["id"].tolist() == [json.loads(video)["id"] for video in real_videos]
        flat = pd.json_normalize(songs["statistics"].tolist())
        wanted = [json.loads(video).get("statistics", {}).get("viewCount") for video in real_videos]
        assert flat["viewCount"].astype(object).where(flat["viewCount"].notna(), None).tolist() == wanted

    @pytest.mark.parametrize("packing", ["none", "gzip", "zstd"])
    def test_json(self, real_reader: MemoryReader, real_videos: list[bytes], tmp_path: Path, packing: str) -> None:
        responses = pd.read_json(publish(real_reader, tmp_path, "json", packing))
        found = [video for items in responses["items"] for video in items]
        assert found == [json.loads(video) for video in real_videos]


class TestDuckDB:
    @IN_PARTS
    def test_parquet(self, real_reader: MemoryReader, real_videos: list[bytes], tmp_path: Path, in_parts: bool) -> None:
        files = [str(file) for file in files_of(published(real_reader, tmp_path, "parquet", "none", in_parts))]
        with duckdb.connect() as db:
            songs = db.read_parquet(files)
            songs.create_view("songs")
            assert same_figures(_by_channel(db, "songs", CHANNEL, VIEWS), by_channel(real_videos))
            columns = [name for name in songs.columns if name not in ("other_json", "fetched_at")]
            [counts] = db.sql(
                f"SELECT {', '.join(f'count(*) - count({name})' for name in columns)} FROM songs"
            ).fetchall()
            assert dict(zip(columns, counts, strict=True)) == nulls(real_videos, columns)

    def test_every_column_of_hostile_videos(self, tmp_path: Path) -> None:
        videos = hostile_videos()
        file = publish(reader_of(pages_of(videos)), tmp_path, "parquet")
        with duckdb.connect() as db:
            db.execute("SET TimeZone = 'Asia/Kathmandu'")
            names = db.read_parquet(str(file)).columns
            asked = [f"epoch_us({name})" if name in moments() else name for name in names]
            rows = db.sql(f"SELECT {', '.join(asked)} FROM read_parquet('{file}')").fetchall()
        for raw, values in zip(videos, rows, strict=True):
            row = dict(zip(names, values, strict=True))
            assert row.pop("fetched_at") == micros(FETCHED_AT)
            other = row.pop("other_json")
            columns, rest = expected(raw)
            assert plain_row(row) == {name: micros(value) for name, value in columns.items()}, raw[:300]
            assert (parsed(other) if other is not None else {}) == rest

    @pytest.mark.parametrize(
        ("packing", "in_parts"), [("none", False), ("none", True), ("gzip", True), ("zstd", False)]
    )
    def test_jsonl(
        self, real_reader: MemoryReader, real_videos: list[bytes], tmp_path: Path, packing: str, in_parts: bool
    ) -> None:
        files = [str(file) for file in files_of(published(real_reader, tmp_path, "jsonl", packing, in_parts))]
        with duckdb.connect() as db:
            db.read_json(files, sample_size=-1).create_view("songs")
            found = _by_channel(db, "songs", "snippet.channelTitle", "CAST(statistics.viewCount AS BIGINT)")
        assert same_figures(found, by_channel(real_videos))


class TestPyarrow:
    @IN_PARTS
    def test_a_dataset(
        self, real_reader: MemoryReader, real_videos: list[bytes], tmp_path: Path, in_parts: bool
    ) -> None:
        place = published(real_reader, tmp_path, "parquet", "none", in_parts)
        table = ds.dataset(place, format="parquet").to_table()
        assert table.num_rows == len(real_videos)
        for raw, row in zip(real_videos, table.to_pylist(), strict=True):
            assert row.pop("fetched_at") == FETCHED_AT
            assert row.pop("other_json") is None
            assert plain_row(row) == expected(raw)[0]

    def test_a_few_columns_of_many_files(
        self, real_reader: MemoryReader, real_videos: list[bytes], tmp_path: Path
    ) -> None:
        place = published(real_reader, tmp_path, "parquet", "none", in_parts=True)
        table = pq.read_table(place, columns=[VIEWS], filters=[(VIEWS, ">=", 1_000_000)])
        wanted = [views for raw in real_videos if (views := expected(raw)[0].get(VIEWS, 0)) >= 1_000_000]
        assert table[VIEWS].to_pylist() == wanted


def _picked(video: dict[str, Any]) -> list[Any]:
    """What jq's `?` gives: nothing for a field of what is no object."""
    found = []
    for part, field in (("snippet", "title"), ("statistics", "commentCount")):
        inner = {} if video.get(part) is None else video[part]
        found += [inner.get(field)] if isinstance(inner, dict) else []
    return found


def _from_pandas(views: pd.DataFrame) -> ByChannel:
    """Its sum of nothing is 0, and what it has not is NaN."""
    found: ByChannel = {}
    for channel, total, *others, count in views.itertuples():
        plain = [None if pd.isna(value) else value for value in others]
        found[None if pd.isna(channel) else channel] = (total if count else None, *plain)
    return found


def _by_channel(db: duckdb.DuckDBPyConnection, table: str, channel: str, views: str) -> ByChannel:
    asked = f"{channel}, sum({views}), avg({views}), min({views}), max({views}), stddev({views})"
    return {row[0]: row[1:] for row in db.sql(f"SELECT {asked} FROM {table} GROUP BY 1").fetchall()}
