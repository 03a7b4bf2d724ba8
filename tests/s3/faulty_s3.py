"""A proxy between boto3 and an S3 server, which fails where it is told to."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from waiting import LIMIT_SECONDS

Action = Callable[["Request"], None]
FOREVER = 1_000_000


def refuse(status: int, code: str) -> Action:
    """Answer with an error, after the body was read."""

    def act(request: Request) -> None:
        request.body()
        request.answer(status, {"Content-Type": "application/xml"}, _error(code))

    return act


def error_in_200(code: str) -> Action:
    """200 at once, as S3 does while it puts the parts together, and an error for a body."""
    return refuse(200, code)


def slow(seconds: float) -> Action:
    def act(request: Request) -> None:
        request.body()
        time.sleep(seconds)  # pause: the answer is late
        request.forward()

    return act


def reset(request: Request) -> None:
    """Break the connection in the middle of the body."""
    request.rfile.read(request.length // 2)
    request.break_off()


def lose_answer(request: Request) -> None:
    """What was asked is done, but nobody is told."""
    request.ask()
    request.break_off()


class Hold:
    """An action that waits in the middle until `release`; `arrived` is set by the first who waits."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self._released = threading.Event()

    def __call__(self, request: Request) -> None:
        request.body()
        self.arrived.set()
        self._released.wait(LIMIT_SECONDS)
        with suppress(OSError):
            request.forward()

    def release(self) -> None:
        self._released.set()


class FaultyS3:
    """`with FaultyS3(endpoint) as s3: s3.on("part", refuse(500, "InternalError"), times=2)`"""

    def __init__(self, endpoint: str) -> None:
        self.upstream = urlsplit(endpoint).netloc
        self.asked: list[str] = []
        self._faults: list[tuple[str, Action, int, list[int]]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self._server.daemon_threads = True
        self._server.proxy = self  # type: ignore[attr-defined]
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def on(self, operation: str, action: Action, *, times: int = FOREVER, number: int = 0) -> None:
        """Do this with the next requests of that operation; with `number`, of that part only."""
        self._faults.append((operation, action, number, [times]))

    def heal(self) -> None:
        self._faults.clear()

    def action_for(self, operation: str, number: int) -> Action:
        with self._lock:
            self.asked.append(operation)
            for of, action, at, left in self._faults:
                if of == operation and at in (0, number) and left[0]:
                    left[0] -= 1
                    return action
        return Request.forward

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Request(BaseHTTPRequestHandler):
    """One request, to be forwarded or not."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        proxy: FaultyS3 = self.server.proxy  # type: ignore[attr-defined]
        self.proxy = proxy
        self.length = int(self.headers.get("Content-Length") or 0)
        self._body: bytes | None = None
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        operation = _operation(self.command, query)
        number = int(query.get("partNumber", ["0"])[0])
        with suppress(ConnectionError):
            proxy.action_for(operation, number)(self)

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815

    def body(self) -> bytes:
        if self._body is None:
            self._body = self.rfile.read(self.length)
        return self._body

    def ask(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Put it to the server behind. The host stays as it was: it is signed."""
        connection = http.client.HTTPConnection(self.proxy.upstream, timeout=LIMIT_SECONDS)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("expect", "connection"):
                    connection.putheader(name, value)
            connection.endheaders(self.body())
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def forward(self) -> None:
        status, headers, body = self.ask()
        self.answer(status, dict(headers), body)

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def break_off(self) -> None:
        """RST, as a router in between sends it."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        pass


def _operation(method: str, query: dict[str, list[str]]) -> str:
    if "uploads" in query:
        return "list" if method == "GET" else "create"
    if "uploadId" in query:
        return {"PUT": "part", "POST": "complete", "DELETE": "abort", "GET": "parts"}[method]
    return {"PUT": "put", "GET": "get", "HEAD": "head", "DELETE": "delete", "POST": "post"}[method]


def _error(code: str) -> bytes:
    text = f"<Error><Code>{code}</Code><Message>as the test wants it</Message><RequestId>1</RequestId></Error>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
