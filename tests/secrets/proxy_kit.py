"""A forward proxy that notes each byte it is given, and an API behind TLS that only it finds."""

from __future__ import annotations

import base64
import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from secrets_kit import Answer, Handler
from waiting import LIMIT_SECONDS

USER, PASSWORD = "scout", "p@ss word/of:proxy"
LOGIN = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


def videos(asked: Handler) -> Answer:
    """A good answer to whatever ids are asked for."""
    ids = parse_qs(urlsplit(asked.path).query).get("id", [""])[0].split(",")
    page = {"kind": "youtube#videoListResponse", "items": [{"id": video_id} for video_id in ids]}
    return 200, "application/json", json.dumps(page).encode()


class Proxy(BaseHTTPRequestHandler):
    """Every host is this machine; what a client sends in clear is kept whole, and what it tunnels too."""

    protocol_version = "HTTP/1.1"
    asked: list[str]
    seen: bytearray
    login: str | None
    refusal: int | None

    def do_CONNECT(self) -> None:
        if not self._welcome():
            return
        self.send_response(200)
        self.end_headers()
        with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as there:
            self._pump(there)
        self.close_connection = True

    def do_GET(self) -> None:
        if not self._welcome():
            return
        address = urlsplit(self.path)
        there = HTTPConnection("127.0.0.1", address.port or 80)
        there.request(self.command, f"{address.path or '/'}?{address.query}", headers=dict(self.headers))
        answer = there.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name in ("Content-Type", "Date"):
            self.send_header(name, answer.headers.get(name, ""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        there.close()

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass

    def _welcome(self) -> bool:
        self.asked.append(f"{self.command} {self.path}")
        self.seen += f"{self.requestline}\r\n{self.headers}".encode()
        status = self.refusal or (407 if self.login not in (None, self.headers["Proxy-Authorization"]) else None)
        if status is not None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return status is None

    def _pump(self, there: socket.socket) -> None:
        ends = {self.connection: there, there: self.connection}
        while True:
            for end in select.select(list(ends), [], [], LIMIT_SECONDS)[0] or [self.connection]:
                data = end.recv(65536)
                if not data:
                    return
                if end is self.connection:
                    self.seen += data
                ends[end].sendall(data)


@contextmanager
def proxying(*, login: str | None = None, refusal: int | None = None) -> Iterator[type[Proxy]]:
    """A proxy on 127.0.0.1, at `port`; it wants `login`, or refuses all with that status."""
    reported = {"asked": [], "seen": bytearray(), "login": login, "refusal": refusal}
    handler: type[Proxy] = type("Told", (Proxy,), reported)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up
        handler.port = server.server_port  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield handler
        finally:
            server.shutdown()
            thread.join()
