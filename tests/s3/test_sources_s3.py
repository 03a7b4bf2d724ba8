"""Ids from S3, against a real server in another process: signed, unsigned, refused and missing."""

from __future__ import annotations

import gc
import gzip
import http.server
import io
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from waiting import wait_until

from harvester.errors import ConfigError, CredentialsError, SourceUnavailable
from harvester.sources import read_ids
from harvester.sources import s3 as s3_source

if TYPE_CHECKING:
    from conftest import S3

IDS = [f"{number:011}" for number in range(50_000)]
TABLE = "\n".join(["timestamp,user,song", *(f"1,2,{text}" for text in IDS)]).encode()


def ids(uri: str, **options: Any) -> list[str]:
    return [text for chunk in read_ids(uri, column="song", **options) for text in chunk.ids]


def put(s3: S3, key: str, body: bytes, **options: Any) -> str:
    s3.client.put_object(Bucket=s3.bucket, Key=key, Body=body, **options)
    return f"s3://{s3.bucket}/{key}"


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"user": IDS, "song": IDS}), sink, row_group_size=5000)
    return sink.getvalue()


@pytest.mark.parametrize("key", ["playlog.csv", "a folder/é+%20.csv"])
def test_csv(s3: S3, key: str) -> None:
    assert ids(put(s3, key, TABLE)) == IDS


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_packed(s3: S3, pack: Any) -> None:
    assert ids(put(s3, "playlog.csv.gz", pack(TABLE))) == IDS


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_parquet(s3: S3, pack: Any) -> None:
    assert ids(put(s3, "playlog.parquet", pack(parquet()))) == IDS


def test_lines_and_limit(s3: S3) -> None:
    assert ids(put(s3, "list", "\n".join(IDS).encode()), limit=100) == IDS[:100]


def test_in_many_requests(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_source, "BLOCK_BYTES", 50_000)
    monkeypatch.setattr("harvester.sources.decompress.BLOCK_BYTES", 20_000)
    assert ids(put(s3, "playlog.csv", TABLE)) == IDS
    assert ids(put(s3, "playlog.parquet", parquet())) == IDS


def test_anonymous_requests_are_unsigned(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = put(s3, "public.csv", TABLE, ACL="public-read")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert ids(uri, anonymous=True) == IDS


def test_anonymous_requests_are_refused_where_the_object_is_private(s3: S3) -> None:
    uri = put(s3, "private.csv", TABLE)
    with pytest.raises(CredentialsError, match="unsigned requests") as caught:
        ids(uri, anonymous=True)
    assert caught.value.exit_code == 3
    assert "source.anonymous to false" in caught.value.next_step
    assert "safe" in caught.value.state


def test_no_credentials(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsError, match="no AWS credentials") as caught:
        ids(f"s3://{s3.bucket}/a.csv")
    assert "anonymous = true" in caught.value.next_step


def test_a_profile_that_is_not_there(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(CredentialsError, match="nobody"):
        ids(f"s3://{s3.bucket}/a.csv")


def test_a_missing_key(s3: S3) -> None:
    with pytest.raises(ConfigError, match=r"There is no s3://.*/nothing\.csv"):
        ids(f"s3://{s3.bucket}/nothing.csv")


def test_a_missing_bucket(s3: S3) -> None:
    with pytest.raises(ConfigError, match="There is no s3://no-such-bucket"):
        ids("s3://no-such-bucket-anywhere/a.csv")


def test_a_prefix_is_no_file(s3: S3) -> None:
    put(s3, "folder/a.csv", TABLE)
    for uri in (f"s3://{s3.bucket}/folder", f"s3://{s3.bucket}/folder/"):
        with pytest.raises(ConfigError, match="There is no"):
            ids(uri)


@pytest.mark.parametrize("uri", ["s3://", "s3://bucket", "s3://bucket/", "s3:///key", "s3://Not A Bucket/key"])
def test_addresses_that_are_none(s3: S3, uri: str) -> None:
    with pytest.raises(ConfigError):
        ids(uri)


def test_cut_gzip(s3: S3) -> None:
    with pytest.raises(SourceUnavailable, match="ended in the middle"):
        ids(put(s3, "a.csv.gz", gzip.compress(TABLE)[:-100]))


def test_an_object_that_changes_while_it_is_read(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_source, "BLOCK_BYTES", 50_000)
    monkeypatch.setattr("harvester.sources.decompress.BLOCK_BYTES", 20_000)
    monkeypatch.setattr("harvester.sources.formats.line_blocks.PIECE_BYTES", 20_000)
    chunks = read_ids(put(s3, "a.csv", TABLE), column="song", chunk_rows=1000)
    assert next(chunks).rows == 1000
    put(s3, "a.csv", TABLE[::-1])
    with pytest.raises(SourceUnavailable) as caught:
        list(chunks)
    assert "in the ledger" in caught.value.state


def test_nobody_there(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_source, "ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(SourceUnavailable, match="cannot be read now") as caught:
        ids(f"s3://{s3.bucket}/a.csv")
    assert caught.value.exit_code == 4


class Failing(http.server.BaseHTTPRequestHandler):
    """S3 as it is on its worst days: the object is there, its bytes are not."""

    status = 503

    def do_HEAD(self) -> None:
        self.send_response(200 if self.status == 200 else self.status)
        self.send_header("Content-Length", "1000000")
        self.send_header("ETag", '"0"')
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(206)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"song\n00000000000\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def failing(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(s3_source, "ATTEMPTS", 2)
        yield
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize(("status", "error"), [(200, SourceUnavailable), (503, SourceUnavailable), (400, ConfigError)])
def test_bad_answers(status: int, error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Failing, "status", status)
    with pytest.raises(error):
        ids("s3://bucket/a.csv")


def test_a_consumer_that_stops_early_leaves_nothing_open(s3: S3) -> None:
    uri = put(s3, "a.csv", TABLE)
    ids(uri)  # what libraries open for good, they open now
    gc.collect()
    process = psutil.Process()
    before = process.num_fds()
    for _ in range(10):
        chunks = read_ids(uri, column="song", chunk_rows=10)
        next(chunks)
        chunks.close()  # type: ignore[attr-defined]
    gc.collect()
    # Connections are closed by another thread.
    wait_until(lambda: process.num_fds() <= before)
