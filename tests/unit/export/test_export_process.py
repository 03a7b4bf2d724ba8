"""Export in processes of its own: killed, out of room, and larger than memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from forks import ForkedProcess, start
from waiting import LIMIT_SECONDS

# Bodies made while they are read, as a ledger reads them: nothing holds more than one.
COMMON = """
import gzip, hashlib, json, os, resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from harvester.config import ExportSettings
from harvester.errors import HarvesterError
from harvester.export import export
from harvester.model import EVERYTHING, Body, Progress, StoredResponse, VideoState

uri, responses = sys.argv[1], int(sys.argv[2])
path = Path(uri)
raw = b'{"items":["' + os.urandom(1 << 18).hex().encode() + b'"]}'
data = gzip.compress(raw, 1)
NOW = datetime(2026, 11, 23, tzinfo=UTC)

class Reader:
    def progress(self):
        return Progress({state: 0 for state in VideoState}, ())
    def loads(self):
        return []
    def parts_asked(self):
        return []
    def totals(self):
        return responses, responses * len(raw), responses * len(data)
    def responses(self, span=EVERYTHING):
        for number in range(responses):
            # A copy of its own, as each row read from a database is.
            body = Body(bytes(bytearray(data)), "gzip", len(raw), hashlib.sha256(data).digest(), 1)
            yield StoredResponse(number, number, body, NOW)

def go(compression="none"):
    return export(Reader(), ExportSettings(uri=uri, compression=compression), ledger_name="l", now=NOW, force=True)
"""

KILLED = """
class Reader(Reader):
    def responses(self, span=EVERYTHING):
        for number, response in enumerate(super().responses()):
            if number == responses // 2:
                print("halfway", flush=True)
                sys.stdin.read()
            yield response
go()
"""

FULL_DISK = """
limit = 4 << 20
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    go()
except HarvesterError as error:
    print(type(error).__name__, error.exit_code, sorted(os.listdir(path.parent)))
"""

MEMORY = """
asked, uri, responses = (uri, responses), uri.replace("songs", "first"), 40
go(sys.argv[3])  # what every export takes, of modules and of libraries' pages
uri, responses = asked
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
manifest = go(sys.argv[3])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"bytes": manifest.bytes, "kib": after - before}))
"""


class Sink(BaseHTTPRequestHandler):
    """As much of S3 as an upload needs: it takes parts and keeps none."""

    protocol_version = "HTTP/1.1"
    sent = 0
    published: ClassVar[dict[str, int]] = {}
    """Bytes of the object that is being sent, and of those that were."""

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        Sink.sent += left
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.answer(b"")

    def do_HEAD(self) -> None:
        self.answer(b"", 200 if self.path in Sink.published else 404, Sink.published.get(self.path, 0))

    def do_GET(self) -> None:
        self.answer(b"<ListMultipartUploadsResult></ListMultipartUploadsResult>")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        path, _, query = self.path.partition("?")
        if query != "uploads":
            Sink.published[path] = Sink.sent
        Sink.sent = 0
        self.answer(b'<Result><UploadId>1</UploadId><ETag>"part"</ETag></Result>')

    def answer(self, body: bytes, status: int = 200, size: int | None = None) -> None:
        self.send_response(status)
        self.send_header("ETag", '"part"')
        self.send_header("Last-Modified", self.date_time_string())
        self.send_header("Content-Length", str(len(body) if size is None else size))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sink() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Sink) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def begin(folder: Path, script: str, *arguments: object, **environment: str) -> ForkedProcess | subprocess.Popen[bytes]:
    program = folder / "script.py"
    program.write_text(COMMON + script, encoding="utf-8")
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return start(program, list(map(str, arguments)), folder=folder, env=os.environ | environment, **streams)


def run(folder: Path, script: str, *arguments: object, **environment: str) -> str:
    process = begin(folder, script, *arguments, **environment)
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        out = process.stdout.read()
    assert process.wait(LIMIT_SECONDS) == 0
    return out.decode()


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "published" / "songs.json"
    path.parent.mkdir()
    path.write_bytes(b"old")
    yield path
    shutil.rmtree(path.parent)  # more than a hundred megabytes, which pytest would keep for three runs


def test_kill_9_in_the_middle_leaves_the_old_file(path: Path) -> None:
    process = begin(path.parent.parent, KILLED, path, 20)
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        assert process.stdout.readline() == b"halfway\n"
        process.kill()
        process.wait(LIMIT_SECONDS)
    assert path.read_bytes() == b"old"
    assert len(list(path.parent.iterdir())) == 3, "a killed process cannot clean up its two drafts"
    run(path.parent.parent, "go()", path, 20)
    assert sorted(file.name for file in path.parent.iterdir()) == ["songs.json", "songs.json.manifest.json"]
    with path.open() as file:
        assert len(json.load(file)) == 20


def test_a_disk_that_fills_up_leaves_the_old_file(path: Path) -> None:
    assert run(path.parent.parent, FULL_DISK, path, 20) == "StorageUnavailable 4 ['songs.json']\n"
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_memory_does_not_grow_with_the_export(path: Path, compression: str) -> None:
    figures = json.loads(run(path.parent.parent, MEMORY, path, 500, compression))
    assert figures["bytes"] > (250e6 if compression == "none" else 140e6)
    print(figures)
    assert figures["kib"] < 100 * 1024


def test_memory_does_not_grow_with_an_upload(sink: str, tmp_path: Path) -> None:
    aws = {
        "AWS_ENDPOINT_URL": sink,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret-only-a-test",
        "AWS_DEFAULT_REGION": "eu-west-3",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
    }
    figures = json.loads(run(tmp_path, MEMORY, "s3://bucket/songs.json", 400, "none", **aws))
    assert figures["bytes"] > 200e6
    print(figures)
    assert figures["kib"] < 100 * 1024
