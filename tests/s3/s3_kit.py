"""What the tests of exports to S3 share: a reader of bodies, an export, and what must hold after it."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from memory_reader import MemoryReader

from harvester.config import ExportSettings
from harvester.export import Manifest, check_published, export
from harvester.export.storage.s3 import S3Target
from harvester.export.storage.s3_multipart_upload import MIB
from harvester.export.storage.s3_options import S3Options
from harvester.model import Body, StoredResponse

if TYPE_CHECKING:
    from conftest import S3

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
FETCHED = NOW - timedelta(hours=1)
LEAST_PART = 5 * MIB
"""What S3 demands of each part but the last. `moto_address` is content with less."""
PART = MIB
QUARTER = PART // 4
KEY = "deep/songs.json"

on_both = pytest.mark.parametrize("s3", ["moto", "rclone"], indirect=True)
"""The test is run on both implementations."""


def stored(number: int, raw: bytes) -> StoredResponse:
    data = gzip.compress(raw, 1, mtime=0)  # the same bytes whenever they are made
    body = Body(data, "gzip", len(raw), hashlib.sha256(data).digest(), 1)
    return StoredResponse(number, number, body, FETCHED)


def small_reader() -> MemoryReader:
    return MemoryReader([stored(n + 1, b'{"items": [{"id": "%d"}]}' % n) for n in range(3)])


@cache
def large_reader(seed: int, part_bytes: int = PART) -> MemoryReader:
    """Two full parts of that size, and a rest."""
    text = random.Random(seed).randbytes(part_bytes // 8).hex().encode()
    return MemoryReader([_identity(n + 1, b'{"items": [{"id": "%d", "text": "%s"}]}' % (n, text)) for n in range(9)])


def _identity(number: int, raw: bytes) -> StoredResponse:
    return StoredResponse(number, number, Body(raw, "identity", len(raw), hashlib.sha256(raw).digest(), 1), FETCHED)


def go(s3: S3, reader: MemoryReader, key: str = KEY, **settings: Any) -> Manifest:
    chosen = ExportSettings(**({"uri": f"s3://{s3.bucket}/{key}", "region": "eu-west-3"} | settings))
    return export(reader, chosen, ledger_name="harvest.db", now=NOW)  # type: ignore[arg-type]


def findings(s3: S3, reader: MemoryReader, key: str = KEY) -> list[str]:
    return check_published(f"s3://{s3.bucket}/{key}", reader, ExportSettings(region="eu-west-3"))  # type: ignore[arg-type]


def target(s3: S3, key: str = "songs.json", **options: Any) -> S3Target:
    return S3Target(s3.bucket, key, S3Options(**({"region": "eu-west-3"} | options)), part_bytes=PART)


def pair(s3: S3, key: str = KEY) -> tuple[bytes, bytes]:
    """The object and its manifest; they must speak of the same bytes."""
    data, manifest = s3.content(key), s3.content(f"{key}.manifest.json")
    assert json.loads(manifest)["sha256"] == hashlib.sha256(data).hexdigest()
    return data, manifest


def parts(s3: S3, folder: str) -> list[str]:
    """The keys of what a reader sees in the folder, in order."""
    listed = s3.client.list_objects_v2(Bucket=s3.bucket, Prefix=f"{folder}/").get("Contents", [])
    return sorted(entry["Key"] for entry in listed)
