"""What answers at an S3 endpoint and is none: redirects, web pages, stores of other habits. Never called a bug."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from harvester.config import load_config
from harvester.doctor import source_and_destination
from harvester.errors import ConfigError, CredentialsError, HarvesterError
from harvester.export.storage.s3 import S3Target
from harvester.export.storage.s3_options import S3Options
from harvester.sources import read_ids
from harvester.sources import s3 as s3_source

PAGE = b"<html><head><title>Welcome</title></head></html>"


def xml(code: str, message: str) -> bytes:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()


@dataclass
class Store:
    """Answers every request alike, but where `only` says which headers it stumbles over."""

    status: int = 200
    body: bytes = PAGE
    headers: dict[str, str] = field(default_factory=dict)
    only: Callable[[http.server.BaseHTTPRequestHandler], bool] = lambda _: True
    asked: int = 0


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    reported = Store()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            reported.asked += 1
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body, headers = reported.status, reported.body, reported.headers
            if not reported.only(self):
                status, body, headers = 200, b"", {"ETag": '"0"'}
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            length = 1000 if self.command == "HEAD" and status == 200 else len(body)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

        do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        for name, value in {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "A",
            "AWS_SECRET_ACCESS_KEY": "B",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "no_proxy": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(s3_source, "ATTEMPTS", 1)
        yield reported
        server.shutdown()
        thread.join()


def export() -> HarvesterError:
    with pytest.raises(HarvesterError) as caught:
        S3Target("bucket", "o.json", S3Options()).publish([b"[]"], content_type="application/json")
    assert caught.value.state
    return caught.value


def load() -> HarvesterError:
    with pytest.raises(HarvesterError) as caught:
        list(read_ids("s3://bucket/ids.csv", column="song"))
    return caught.value


@pytest.mark.parametrize("location", [{}, {"Location": "https://localhost:1/o.json?X-Amz-Signature=secret"}])
@pytest.mark.parametrize("body", [PAGE, xml("PermanentRedirect", "must be addressed using the specified endpoint")])
def test_an_endpoint_that_redirects(store: Store, location: dict[str, str], body: bytes) -> None:
    store.status, store.body, store.headers = 301, body, location
    errors = [export(), load()] if not location else [export()]
    for error in errors:
        assert type(error) is ConfigError
        assert "redirects (301" in error.what
        assert "AWS_ENDPOINT_URL_S3" in error.next_step
        assert "secret" not in str(error)
    if location:
        assert "to https://localhost:1)" in errors[0].what
    assert store.asked < 10
    finding = source_and_destination.check_export(load_config(overrides={"export": {"uri": "s3://bucket/o.json"}}))
    assert finding.exit_code == 3


def test_a_redirect_that_a_reader_would_follow(store: Store) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.01,))
        thread.start()
        store.status, store.headers = 301, {"Location": f"http://127.0.0.1:{other.server_port}/ids.csv"}
        error = load()
        other.shutdown()
        thread.join()
    assert type(error) is ConfigError
    assert f"to http://127.0.0.1:{other.server_port})" in error.what


def test_a_bucket_of_another_region(store: Store) -> None:
    store.status, store.body = 301, xml("PermanentRedirect", "must be addressed using the specified endpoint")
    store.headers = {"x-amz-bucket-region": "eu-west-3"}
    assert "eu-west-3" in export().next_step
    assert "AWS_DEFAULT_REGION=eu-west-3" in load().next_step
    assert load().exit_code == 3


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (501, "NotImplemented"),
        (400, "XAmzContentSHA256Mismatch"),
        (400, "InvalidRequest"),
        (400, "AuthorizationHeaderMalformed"),
    ],
)
def test_a_store_without_checksums(store: Store, status: int, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store.status, store.body = status, xml(code, "x-amz-checksum-crc32 is not implemented")
    store.only = lambda asked: any("x-amz-checksum" in name.lower() for name in asked.headers)
    error = export()
    assert error.exit_code == 3
    assert "x-amz-checksum-crc32 is not implemented" in error.what
    assert "AWS_REQUEST_CHECKSUM_CALCULATION=when_required" in error.next_step
    assert "again later" not in str(error)
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    S3Target("bucket", "o.json", S3Options()).publish([b"[]"], content_type="application/json")


@pytest.mark.parametrize("part_bytes", [1, 1 << 20])
def test_a_put_that_a_web_page_answers(store: Store, part_bytes: int) -> None:
    target = S3Target("bucket", "o.json", S3Options(), part_bytes=part_bytes)
    with pytest.raises(ConfigError, match="is not S3"):
        target.publish([b"[]"], content_type="application/json")


def test_a_question_that_a_web_page_answers(store: Store) -> None:
    with pytest.raises(ConfigError, match="is not S3: it answered HeadObject with HTTP 200") as caught:
        S3Target("bucket", "o.json", S3Options()).existing()
    assert "AWS_ENDPOINT_URL_S3" in caught.value.next_step
    with pytest.raises(ConfigError, match="is not S3: it answered GetObject with HTTP 200"):
        list(S3Target("bucket", "o.json", S3Options()).read())


def test_a_session_that_is_over(store: Store) -> None:
    store.status, store.body = 400, xml("ExpiredToken", "The provided token has expired.")
    assert type(export()) is CredentialsError
    # S3 begins to read with a HEAD, whose answer has no body to tell more.
    error = load()
    assert error.exit_code == 3
    assert "sign in again" in error.next_step
    store.only = lambda asked: asked.command == "GET"
    assert "sign in again" in load().next_step


def test_a_firewall_before_it(store: Store) -> None:
    store.status = 403
    assert "HTTP 403" in export().what
    assert load().exit_code == 3
