"""Export to S3: the object changes when its upload is completed, and not before."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harvester.config import ExportSettings
from harvester.errors import ConfigError, CredentialsError, LedgerDamaged, StorageUnavailable
from harvester.export import check_published, export
from harvester.export.s3 import MIB, S3Target
from harvester.model import Body, Progress, StoredResponse, VideoState

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
PART = 5 * MIB
PUBLIC = "http://acs.amazonaws.com/groups/global/AllUsers"


def stored(number: int, raw: bytes) -> StoredResponse:
    data = gzip.compress(raw, 1)
    body = Body(data, "gzip", len(raw), hashlib.sha256(data).digest(), 1)
    return StoredResponse(number, number, body, NOW - timedelta(hours=1))


class MemoryBooks:
    def __init__(self, responses: list[StoredResponse]) -> None:
        self.stored = responses

    def progress(self) -> Progress:
        videos = dict.fromkeys(VideoState, 0) | {VideoState.FETCHED: len(self.stored)}
        return Progress(videos, ())

    def responses(self) -> Iterator[StoredResponse]:
        yield from self.stored


@pytest.fixture
def books() -> MemoryBooks:
    return MemoryBooks([stored(n, b'{"items": [{"id": "%d"}]}' % n) for n in range(3)])


@pytest.fixture
def big() -> list[bytes]:
    """Twelve MiB: two full parts and a rest."""
    return [bytes([n]) * MIB for n in range(12)]


def go(s3: Any, books: MemoryBooks, key: str = "deep/songs.json", **settings: Any) -> Any:
    chosen = ExportSettings(**({"uri": f"s3://{s3.bucket}/{key}", "region": "eu-west-3"} | settings))
    return export(books, chosen, ledger_name="harvest.db", now=NOW)  # type: ignore[arg-type]


def target(s3: Any, **options: Any) -> S3Target:
    return S3Target(s3.bucket, "songs.json", **({"region": "eu-west-3", "part_bytes": PART} | options))


def content(s3: Any, key: str) -> bytes:
    data: bytes = s3.client.get_object(Bucket=s3.bucket, Key=key)["Body"].read()
    return data


def uploads(s3: Any) -> list[Any]:
    return s3.client.list_multipart_uploads(Bucket=s3.bucket).get("Uploads", [])  # type: ignore[no-any-return]


def grantees(s3: Any, key: str) -> set[str | None]:
    grants = s3.client.get_object_acl(Bucket=s3.bucket, Key=key)["Grants"]
    return {grant["Grantee"].get("URI") for grant in grants}


class TestExport:
    def test_the_object_and_its_manifest(self, s3: Any, books: MemoryBooks) -> None:
        manifest = go(s3, books)
        data = content(s3, "deep/songs.json")
        assert json.loads(data)[2]["items"][0]["id"] == "2"
        assert hashlib.sha256(data).hexdigest() == manifest.sha256
        beside = json.loads(content(s3, "deep/songs.json.manifest.json"))
        assert (beside["sha256"], beside["bytes"], beside["file"]) == (manifest.sha256, len(data), "songs.json")

    def test_what_the_server_says_it_is(self, s3: Any, books: MemoryBooks) -> None:
        go(s3, books, "songs.json")
        go(s3, books, "songs.json.gz", compression="gzip")
        plain = s3.client.head_object(Bucket=s3.bucket, Key="songs.json")
        packed = s3.client.head_object(Bucket=s3.bucket, Key="songs.json.gz")
        assert plain["ContentType"] == "application/json"
        assert packed["ContentType"] == "application/gzip"
        # Many members and this header: some readers would take the first for all.
        assert "ContentEncoding" not in packed
        assert gzip.decompress(content(s3, "songs.json.gz")) == content(s3, "songs.json")

    def test_pandas_reads_both_by_their_names(self, s3: Any, books: MemoryBooks) -> None:
        import pandas as pd

        options = {"client_kwargs": {"region_name": "eu-west-3"}}
        for key, compression in (("songs.json", "none"), ("songs.json.gz", "gzip")):
            go(s3, books, key, compression=compression)
            assert len(pd.read_json(f"s3://{s3.bucket}/{key}", storage_options=options)) == 3

    @pytest.mark.parametrize(("acl", "public"), [("private", False), ("public-read", True)])
    def test_the_acl_is_of_the_object_and_of_its_manifest(
        self, s3: Any, books: MemoryBooks, acl: str, public: bool
    ) -> None:
        go(s3, books, "songs.json", acl=acl)
        assert (PUBLIC in grantees(s3, "songs.json")) is public
        assert (PUBLIC in grantees(s3, "songs.json.manifest.json")) is public

    def test_check_reads_it_back(self, s3: Any, books: MemoryBooks) -> None:
        go(s3, books)
        uri = f"s3://{s3.bucket}/deep/songs.json"
        assert check_published(uri, books, region="eu-west-3") == []  # type: ignore[arg-type]
        s3.client.put_object(Bucket=s3.bucket, Key="deep/songs.json", Body=b"[]\n")
        assert len(check_published(uri, books, region="eu-west-3")) == 2  # type: ignore[arg-type]

    def test_check_of_what_is_not_there(self, s3: Any, books: MemoryBooks) -> None:
        findings = check_published(f"s3://{s3.bucket}/none.json", books)  # type: ignore[arg-type]
        assert len(findings) == 1
        assert "no manifest" in findings[0]

    def test_a_damaged_ledger_publishes_nothing(self, s3: Any, books: MemoryBooks) -> None:
        go(s3, books)
        before = content(s3, "deep/songs.json"), content(s3, "deep/songs.json.manifest.json")
        bad = stored(7, b"{}")
        books.stored.append(StoredResponse(7, 7, Body(bad.body.data, "gzip", 2, bytes(32), 1), NOW))
        with pytest.raises(LedgerDamaged, match="call 7"):
            go(s3, books)
        assert (content(s3, "deep/songs.json"), content(s3, "deep/songs.json.manifest.json")) == before


class TestMultipart:
    def test_the_parts_make_the_whole(self, s3: Any, big: list[bytes]) -> None:
        published = target(s3, acl="public-read").publish(big, content_type="application/json")
        data = content(s3, "songs.json")
        assert data == b"".join(big)
        assert (published.bytes, published.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        head = s3.client.head_object(Bucket=s3.bucket, Key="songs.json")
        assert head["ETag"].endswith('-3"')
        assert head["ContentType"] == "application/json"
        assert PUBLIC in grantees(s3, "songs.json")
        assert not uploads(s3)

    def test_the_old_object_is_there_until_the_last_part(self, s3: Any, big: list[bytes]) -> None:
        def watching() -> Iterator[bytes]:
            for chunk in big:
                assert content(s3, "songs.json") == b"old"
                yield chunk
            assert content(s3, "songs.json") == b"old"

        s3.client.put_object(Bucket=s3.bucket, Key="songs.json", Body=b"old")
        target(s3).publish(watching(), content_type="application/json")
        assert content(s3, "songs.json") == b"".join(big)

    @pytest.mark.parametrize("error", [LedgerDamaged("call 7"), KeyboardInterrupt(), OSError(5, "ledger's disk")])
    def test_a_failure_halfway_leaves_the_old_object_and_no_parts(
        self, s3: Any, big: list[bytes], error: BaseException
    ) -> None:
        seen: list[Any] = []

        def failing() -> Iterator[bytes]:
            yield from big
            seen.extend(uploads(s3))
            raise error

        s3.client.put_object(Bucket=s3.bucket, Key="songs.json", Body=b"old")
        with pytest.raises(type(error)) as caught:
            target(s3).publish(failing(), content_type="application/json")
        assert caught.value is error
        assert seen, "the upload was under way"
        assert not uploads(s3)
        assert content(s3, "songs.json") == b"old"

    def test_a_refused_part_stops_the_export_at_once(
        self, s3: Any, big: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = 0

        def endless() -> Iterator[bytes]:
            nonlocal asked
            while True:
                asked += 1
                yield big[0]

        def refuse(self: S3Target, client: Any, upload: str, number: int, part: bytes) -> Any:
            raise StorageUnavailable("S3 refused the part.")

        monkeypatch.setattr(S3Target, "_send_part", refuse)
        with pytest.raises(StorageUnavailable):
            target(s3).publish(endless(), content_type="application/json")
        assert asked < 60
        assert not uploads(s3)

    def test_stores_that_know_no_checksums_get_none(
        self, s3: Any, big: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        target(s3).publish(big, content_type="application/json")
        assert content(s3, "songs.json") == b"".join(big)


class TestRefusals:
    def test_no_bucket(self, s3: Any, books: MemoryBooks) -> None:
        with pytest.raises(ConfigError, match="NoSuchBucket") as caught:
            go(s3, books, uri="s3://no-such-bucket-here/songs.json")
        assert caught.value.exit_code == 3
        with pytest.raises(ConfigError, match="NoSuchBucket"):
            check_published("s3://no-such-bucket-here/songs.json", books)  # type: ignore[arg-type]

    def test_a_name_that_no_bucket_has(self, s3: Any, books: MemoryBooks) -> None:
        with pytest.raises(ConfigError):
            go(s3, books, uri="s3://No_Bucket!/songs.json")

    def test_no_credentials(self, s3: Any, books: MemoryBooks, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(CredentialsError, match="no AWS credentials") as caught:
            go(s3, books)
        assert caught.value.exit_code == 3

    def test_no_server(self, s3: Any, books: MemoryBooks, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
            before = time.monotonic()
            with pytest.raises(StorageUnavailable, match="can't be reached") as caught:
                go(s3, books)
        assert caught.value.exit_code == 4
        assert time.monotonic() - before < 30

    def test_an_endpoint_that_is_no_address(self, s3: Any, books: MemoryBooks, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "me:word@nowhere")
        with pytest.raises(ConfigError) as caught:
            go(s3, books)
        assert "word" not in str(caught.value)
