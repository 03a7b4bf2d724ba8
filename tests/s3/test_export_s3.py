"""Export to S3: the object changes when its upload is completed, and not before."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from memory_reader import MemoryReader
from s3_kit import QUARTER, findings, go, large_reader, on_both, small_reader, stored, target
from urllib3.util import connection

from harvester.config import ExportSettings
from harvester.errors import ConfigError, CredentialsError, LedgerDamaged, StorageUnavailable
from harvester.export import check_published
from harvester.export.storage import s3_client
from harvester.export.storage.s3_multipart_upload import Upload
from harvester.model import Body, StoredResponse

PUBLIC = "http://acs.amazonaws.com/groups/global/AllUsers"


@pytest.fixture
def reader() -> MemoryReader:
    return small_reader()


@pytest.fixture
def big() -> list[bytes]:
    """Two full parts and a rest."""
    return [bytes([n]) * QUARTER for n in range(9)]


def grantees(s3: Any, key: str) -> set[str | None]:
    grants = s3.client.get_object_acl(Bucket=s3.bucket, Key=key)["Grants"]
    return {grant["Grantee"].get("URI") for grant in grants}


class TestExport:
    @on_both
    def test_the_object_and_its_manifest(self, s3: Any, reader: MemoryReader) -> None:
        manifest = go(s3, reader)
        data = s3.content("deep/songs.json")
        assert json.loads(data)[2]["items"][0]["id"] == "2"
        assert hashlib.sha256(data).hexdigest() == manifest.sha256
        beside = json.loads(s3.content("deep/songs.json.manifest.json"))
        assert (beside["sha256"], beside["bytes"], beside["file"]) == (manifest.sha256, len(data), "songs.json")

    @on_both
    def test_what_the_server_says_it_is(self, s3: Any, reader: MemoryReader) -> None:
        go(s3, reader, "songs.json")
        go(s3, reader, "songs.json.gz", compression="gzip")
        plain = s3.client.head_object(Bucket=s3.bucket, Key="songs.json")
        packed = s3.client.head_object(Bucket=s3.bucket, Key="songs.json.gz")
        assert plain["ContentType"] == "application/json"
        assert packed["ContentType"] == "application/gzip"
        # Many members and this header: some readers would take the first for all.
        assert "ContentEncoding" not in packed
        assert gzip.decompress(s3.content("songs.json.gz")) == s3.content("songs.json")

    def test_pandas_reads_both_by_their_names(self, s3: Any, reader: MemoryReader) -> None:
        import pandas as pd

        options = {"client_kwargs": {"region_name": "eu-west-3"}}
        for key, compression in (("songs.json", "none"), ("songs.json.gz", "gzip")):
            go(s3, reader, key, compression=compression)
            assert len(pd.read_json(f"s3://{s3.bucket}/{key}", storage_options=options)) == 3

    @pytest.mark.parametrize(("acl", "public"), [("private", False), ("public-read", True)])
    def test_the_acl_is_of_the_object_and_of_its_manifest(
        self, s3: Any, reader: MemoryReader, acl: str, public: bool
    ) -> None:
        go(s3, reader, "songs.json", acl=acl)
        assert (PUBLIC in grantees(s3, "songs.json")) is public
        assert (PUBLIC in grantees(s3, "songs.json.manifest.json")) is public

    @on_both
    def test_check_reads_it_back(self, s3: Any, reader: MemoryReader) -> None:
        go(s3, reader)
        assert findings(s3, reader) == []
        s3.client.put_object(Bucket=s3.bucket, Key="deep/songs.json", Body=b"[]\n")
        assert len(findings(s3, reader)) == 2

    @on_both
    def test_a_newer_export_takes_the_place_of_the_old_one(self, s3: Any, small_parts: None) -> None:
        for seed in (1, 2):
            large = large_reader(seed)
            go(s3, large)
            assert findings(s3, large) == []
        assert not s3.uploads()

    @on_both
    def test_check_of_what_is_not_there(self, s3: Any, reader: MemoryReader) -> None:
        with pytest.raises(ConfigError, match="no file at s3://") as caught:
            findings(s3, reader, "none.json")
        assert "no manifest" in caught.value.state

    @on_both
    def test_a_damaged_ledger_publishes_nothing(self, s3: Any, reader: MemoryReader) -> None:
        go(s3, reader)
        before = s3.content("deep/songs.json"), s3.content("deep/songs.json.manifest.json")
        bad = stored(7, b"{}")
        reader.stored.append(StoredResponse(7, 7, Body(bad.body.data, "gzip", 2, bytes(32), 1), bad.fetched_at))
        with pytest.raises(LedgerDamaged, match="call 7"):
            go(s3, reader)
        assert (s3.content("deep/songs.json"), s3.content("deep/songs.json.manifest.json")) == before


class TestMultipart:
    @on_both
    def test_the_parts_make_the_whole(self, s3: Any, big: list[bytes]) -> None:
        published = target(s3).publish(big, content_type="application/json")
        data = s3.content("songs.json")
        assert data == b"".join(big)
        assert (published.bytes, published.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        head = s3.client.head_object(Bucket=s3.bucket, Key="songs.json")
        assert head["ContentType"] == "application/json"
        assert not s3.uploads()

    def test_full_parts_and_a_rest_under_one_acl(self, s3: Any, big: list[bytes]) -> None:
        target(s3, acl="public-read").publish(big, content_type="application/json")
        assert s3.client.head_object(Bucket=s3.bucket, Key="songs.json")["ETag"].endswith('-3"')
        assert PUBLIC in grantees(s3, "songs.json")

    @on_both
    def test_the_old_object_is_there_until_the_last_part(self, s3: Any, big: list[bytes]) -> None:
        def watching() -> Iterator[bytes]:
            for chunk in big:
                assert s3.content("songs.json") == b"old"
                yield chunk
            assert s3.content("songs.json") == b"old"

        s3.client.put_object(Bucket=s3.bucket, Key="songs.json", Body=b"old")
        target(s3).publish(watching(), content_type="application/json")
        assert s3.content("songs.json") == b"".join(big)

    @on_both
    @pytest.mark.parametrize("error", [LedgerDamaged("call 7"), KeyboardInterrupt(), OSError(5, "ledger's disk")])
    def test_a_failure_halfway_leaves_the_old_object_and_no_parts(
        self, s3: Any, big: list[bytes], error: BaseException
    ) -> None:
        seen: list[Any] = []

        def failing() -> Iterator[bytes]:
            yield from big
            seen.extend(s3.uploads())
            raise error

        s3.client.put_object(Bucket=s3.bucket, Key="songs.json", Body=b"old")
        with pytest.raises(type(error)) as caught:
            target(s3).publish(failing(), content_type="application/json")
        assert caught.value is error
        assert seen, "the upload was under way"
        assert not s3.uploads()
        assert s3.content("songs.json") == b"old"

    @on_both
    def test_a_refused_part_stops_the_export_at_once(
        self, s3: Any, big: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = 0

        def endless() -> Iterator[bytes]:
            nonlocal asked
            while True:
                asked += 1
                yield big[0]

        def refuse(self: Upload, number: int, part: bytearray) -> Any:
            raise StorageUnavailable("S3 refused the part.")

        monkeypatch.setattr(Upload, "_send_part", refuse)
        with pytest.raises(StorageUnavailable):
            target(s3).publish(endless(), content_type="application/json")
        assert asked < 60
        assert not s3.uploads()

    @on_both
    def test_stores_that_know_no_checksums_get_none(
        self, s3: Any, big: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        target(s3).publish(big, content_type="application/json")
        assert s3.content("songs.json") == b"".join(big)


class TestRefusals:
    @on_both
    def test_no_bucket(self, s3: Any, reader: MemoryReader) -> None:
        with pytest.raises(ConfigError, match="NoSuchBucket") as caught:
            go(s3, reader, uri="s3://no-such-bucket-here/songs.json")
        assert caught.value.exit_code == 3
        with pytest.raises(ConfigError, match="NoSuchBucket"):
            check_published("s3://no-such-bucket-here/songs.json", reader, ExportSettings())  # type: ignore[arg-type]

    def test_a_name_that_no_bucket_has(self, s3: Any, reader: MemoryReader) -> None:
        with pytest.raises(ConfigError):
            go(s3, reader, uri="s3://No_Bucket!/songs.json")

    def test_no_credentials(self, s3: Any, reader: MemoryReader, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(CredentialsError, match="no AWS credentials") as caught:
            go(s3, reader)
        assert caught.value.exit_code == 3

    def test_no_server(self, s3: Any, reader: MemoryReader, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
            connect, tries = connection.create_connection, []

            def counted(*where: Any, **how: Any) -> socket.socket:
                tries.append(where)
                return connect(*where, **how)

            monkeypatch.setattr(connection, "create_connection", counted)
            with pytest.raises(StorageUnavailable, match="can't be reached") as caught:
                go(s3, reader)
        assert caught.value.exit_code == 4
        assert len(tries) == s3_client._ATTEMPTS

    def test_an_endpoint_that_is_no_address(
        self, s3: Any, reader: MemoryReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "me:word@nowhere")
        with pytest.raises(ConfigError) as caught:
            go(s3, reader)
        assert "word" not in str(caught.value)
