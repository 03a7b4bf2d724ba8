"""What was exported to a bucket is read from there, by the tools that people point at a bucket."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.dataset as ds
import pytest
import s3fs
import zstandard
from memory_reader import MemoryReader
from s3_kit import go, stored

from harvester.simulator import Content, make_ids

if TYPE_CHECKING:
    from conftest import S3

VIDEOS = list(Content(1).items(list(make_ids(1, 300))))
PLAIN: list[dict[str, Any]] = [json.loads(video) for video in VIDEOS]
VIEWS = [int(video["statistics"]["viewCount"]) if "viewCount" in video["statistics"] else None for video in PLAIN]
TITLES = [video["snippet"]["title"] for video in PLAIN]


@pytest.fixture
def reader() -> MemoryReader:
    responses = []
    for number, start in enumerate(range(0, len(VIDEOS), 50), 1):
        videos = VIDEOS[start : start + 50]
        response = stored(number, b'{"items":[%b]}' % b",".join(videos))
        body = response.body._replace(item_count=len(videos))
        responses.append(response._replace(first_position=start + 1, body=body))
    return MemoryReader(responses)


@pytest.fixture
def files(s3: S3) -> s3fs.S3FileSystem:
    """The bucket as s3fs shows it."""
    return s3fs.S3FileSystem(endpoint_url=s3.endpoint, skip_instance_cache=True)


def test_json(s3: S3, reader: MemoryReader, files: s3fs.S3FileSystem) -> None:
    go(s3, reader, "songs.json")
    with files.open(f"s3://{s3.bucket}/songs.json", encoding="utf-8", mode="r") as file:
        assert [video for response in json.load(file) for video in response["items"]] == PLAIN


def test_packed_lines(s3: S3, reader: MemoryReader, files: s3fs.S3FileSystem) -> None:
    go(s3, reader, "songs.jsonl.gz", format="jsonl", compression="gzip")
    go(s3, reader, "songs.jsonl.zst", format="jsonl", compression="zstd")
    lines = b"".join(video + b"\n" for video in VIDEOS)
    assert gzip.decompress(files.cat_file(f"{s3.bucket}/songs.jsonl.gz")) == lines
    with files.open(f"{s3.bucket}/songs.jsonl.zst", "rb") as file:
        assert zstandard.ZstdDecompressor().stream_reader(file).read() == lines


@pytest.mark.parametrize("most_bytes", [None, 100_000], ids=["file", "parts"])
def test_parquet(s3: S3, reader: MemoryReader, files: s3fs.S3FileSystem, most_bytes: int | None) -> None:
    key = "songs" if most_bytes else "songs.parquet"
    manifest = go(s3, reader, key, format="parquet", max_part_bytes=most_bytes)
    assert len(manifest.parts or ()) > 1 or most_bytes is None
    table = ds.dataset(f"{s3.bucket}/{key}", filesystem=files, format="parquet").to_table()
    assert table["statistics_viewCount"].to_pylist() == VIEWS
    assert table["snippet_title"].to_pylist() == TITLES


def test_pandas_goes_by_the_address_alone(s3: S3, reader: MemoryReader, files: s3fs.S3FileSystem) -> None:
    go(s3, reader, "songs.parquet", format="parquet")
    go(s3, reader, "songs.jsonl.gz", format="jsonl", compression="gzip")
    place = {"storage_options": {"endpoint_url": s3.endpoint, "skip_instance_cache": True}}
    table = pd.read_parquet(f"s3://{s3.bucket}/songs.parquet", columns=["id", "snippet_title"], **place)  # type: ignore[call-overload]
    assert table["snippet_title"].tolist() == TITLES
    lines = pd.read_json(f"s3://{s3.bucket}/songs.jsonl.gz", lines=True, dtype=False, **place)  # type: ignore[call-overload]
    assert [snippet["title"] for snippet in lines["snippet"]] == TITLES
