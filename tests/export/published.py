"""Exports of chosen video resources: pages made of their very bytes, published by the real export."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zstandard
from memory_reader import MemoryReader

from harvester.config import ExportSettings
from harvester.export import export
from harvester.model import Body, StoredResponse

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
FETCHED_AT = datetime(2026, 11, 22, 9, 0, 0, 123456, tzinfo=UTC)
PER_PAGE = 50
EVERY_FORMAT = [(name, packing) for name in ("json", "jsonl", "csv") for packing in ("none", "gzip", "zstd")]
EVERY_FORMAT.append(("parquet", "none"))
SUFFIX = {"none": "", "gzip": ".gz", "zstd": ".zst"}


def page_of(videos: Sequence[bytes]) -> bytes:
    """A response that holds the resources just as they are given."""
    head = b'{"kind": "youtube#videoListResponse", "etag": "\xf0\x9f\x8e\xb5", "items": ['
    return head + b", ".join(videos) + b'], "pageInfo": {"totalResults": %d}}' % len(videos)


def reader_of(pages: Sequence[bytes]) -> MemoryReader:
    """Every third response lies uncompressed, the others as gzip."""
    responses, position = [], 1
    for number, raw in enumerate(pages, 1):
        items = len(json.loads(raw)["items"])
        encoding = "identity" if number % 3 == 0 else "gzip"
        data = gzip.compress(raw, 1, mtime=number) if encoding == "gzip" else raw
        body = Body(data, encoding, len(raw), hashlib.sha256(data).digest(), items)
        responses.append(StoredResponse(number, position, body, FETCHED_AT))
        position += items
    return MemoryReader(responses)


def pages_of(videos: Sequence[bytes], per_page: int = PER_PAGE) -> list[bytes]:
    return [page_of(videos[start : start + per_page]) for start in range(0, len(videos), per_page)]


def publish(
    reader: Any,
    folder: Path,
    name: str,
    packing: str = "none",
    part_bytes: int | None = None,
    place: Path | None = None,
    table: str = "videos",
) -> Path:
    """The file, or where `part_bytes` is given the folder of parts."""
    place = place or folder / (f"songs-{name}-{packing}" if part_bytes else f"songs.{name}{SUFFIX[packing]}")
    how: dict[str, Any] = {"format": name, "compression": packing, "max_part_bytes": part_bytes, "table": table}
    chosen = ExportSettings(uri=str(place), **how)
    export(reader, chosen, ledger_name="harvest.db", now=NOW)
    return place


def some_parts(reader: MemoryReader, name: str, packing: str = "none") -> int:
    """Bytes for a part, so that there are a few parts."""
    bodies = [response.body for response in reader.stored]
    if name == "parquet":
        # Its columns alone take some tens of thousands in every file.
        return max(60_000, sum(len(body.data) for body in bodies) // 3)
    return sum(len(body.data) if packing != "none" else body.raw_bytes for body in bodies) // 3


def files_of(place: Path) -> list[Path]:
    """The file, or the parts in the order that the manifest says; the manifest speaks of these bytes."""
    manifest = json.loads(place.with_name(f"{place.name}.manifest.json").read_bytes())
    if "parts" not in manifest:
        assert hashlib.sha256(place.read_bytes()).hexdigest() == manifest["sha256"]
        return [place]
    files = [place / part["file"] for part in manifest["parts"]]
    assert sorted(place.iterdir()) == sorted(files)
    for file, part in zip(files, manifest["parts"], strict=True):
        assert hashlib.sha256(file.read_bytes()).hexdigest() == part["sha256"]
    return files


def unpacked(file: Path) -> bytes:
    """Read by what its name says, with the standard library or zstandard."""
    if file.suffix == ".gz":
        with gzip.open(file) as packed:
            return packed.read()
    if file.suffix == ".zst":
        with file.open("rb") as stream, zstandard.ZstdDecompressor().stream_reader(stream) as reader:
            return reader.read()
    return file.read_bytes()


def videos_in(place: Path) -> Iterator[dict[str, Any]]:
    """The video resources of a json or jsonl export, by the standard library alone."""
    for file in files_of(place):
        text = unpacked(file).decode()
        if ".jsonl" in file.name:
            # Not splitlines: it also splits at U+2028 and its like, which JSON texts may hold.
            yield from map(json.loads, text.removesuffix("\n").split("\n"))
        else:
            for response in json.loads(text):
                yield from response["items"]
