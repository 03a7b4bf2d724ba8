"""An S3 that keeps nothing: it reads what it is sent, as fast as it can, and says that all is well.

A simulated S3 that stores and hashes would itself be what is measured.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Self

_BUFFER_BYTES = 1 << 20
_AHEAD_BYTES = 8192
_LISTED = b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
_BEGUN = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
_COMPLETED = b"<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>"


class _Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    buffer = bytearray(_BUFFER_BYTES)  # every thread may write here: nobody reads it
    sizes: ClassVar[Counter[str]] = Counter()
    """Bytes by path, for an export asks whether what it put still stands there."""
    published: ClassVar[set[str]] = set()
    counting = threading.Lock()

    def do_HEAD(self) -> None:
        there = self.path in self.published
        self._answer(b"", 200 if there else 404, self.sizes[self.path] if there else 0, ETag='"1"')

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        path, _, upload = self.path.partition("?")
        with self.counting:
            self.sizes[path] = left + (self.sizes[path] if upload else 0)
        if not upload:
            self.published.add(path)
        left -= len(self.rfile.read1(min(left, _AHEAD_BYTES)))  # what came along with the headers
        while left:
            # On Linux, TCP then lets go of the bytes without copying them.
            left -= self.connection.recv_into(self.buffer, min(left, _BUFFER_BYTES), socket.MSG_TRUNC)
        self._answer(b"", ETag='"1"')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, action = self.path.partition("?")
        if action == "uploads":
            self.sizes[path] = 0
        else:
            self.published.add(path)
        self._answer(_BEGUN if action == "uploads" else _COMPLETED)

    def do_GET(self) -> None:
        self._answer(_LISTED)

    def _answer(self, body: bytes, status: int = 200, size: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if size is None else size))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Sink:
    """The sink as a process. It ends with its standard input, so a benchmark that is killed leaves none behind."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.sink"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.env = {
            "AWS_ENDPOINT_URL": self._process.stdout.readline().strip(),
            "AWS_ACCESS_KEY_ID": "anyone",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_DEFAULT_REGION": "eu-west-3",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def main() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Sink) as server:
        import threading

        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
