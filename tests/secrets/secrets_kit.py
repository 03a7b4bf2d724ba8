"""Distinctive secrets, servers that repeat them, and a search of everything that a process leaves behind."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import SSLContext
from subprocess import CompletedProcess

from children import Program

API_KEY = "AIza" + "SyThe0Very-Distinctive_Key0Of0These0"
PLAIN_KEY = "zebra0quartz0violin0jigsaw0breakfast0wax"
"""A key that no pattern knows."""
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIADISTINCTIVE0EXAM",
    "AWS_SECRET_ACCESS_KEY": "wJalr/dIsTiNcTiVe+sEcReT/bPxRfiCYEXAMPLE",
    "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEJr-distinctive-session-token-0123456789abcdef",
}
SECRETS = (API_KEY, PLAIN_KEY, *AWS.values(), "endpoint0password")
WINDOW = 12
"""A leak of so many characters in a row is one: a key that was cut in half is still half a key."""

Answer = tuple[int, str, bytes]
Server = Callable[["Handler"], Answer]


class Guarded(Program):
    """The program with secrets in its environment."""

    def run_instead(self, code: str) -> None:
        """From now on."""
        self.module = "instead"
        (self.folder / "instead.py").write_text(code, encoding="utf-8")


def leaks_in(text: bytes) -> list[str]:
    """The pieces of secrets that stand in the text."""
    pieces = {secret[at : at + WINDOW] for secret in SECRETS for at in range(len(secret) - WINDOW + 1)}
    return sorted(piece for piece in pieces if piece.encode() in text)


def leaks_of(done: CompletedProcess[str], folder: Path, *, but: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Where secrets stand: in what the process said, in the files of its folder, and in the rows of its ledger."""
    places = {"stdout": done.stdout.encode(), "stderr": done.stderr.encode()}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in but:
            places[path.name] = path.read_bytes()
            if path.suffix == ".db":
                places[f"rows of {path.name}"] = rows_of(path)
    return {place: found for place, text in places.items() if (found := leaks_in(text))}


def rows_of(ledger: Path) -> bytes:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        return "\n".join(connection.iterdump()).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers every request with what the test's function makes of it."""

    protocol_version = "HTTP/1.1"
    answer: Server

    def do_GET(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, kind, body = type(self).answer(self)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(answer: Server, tls: SSLContext | None = None) -> Iterator[str]:
    """The address of a server on 127.0.0.1 that answers so."""
    handler = type("Handler", (Handler,), {"answer": staticmethod(answer)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that refuses TLS hangs up
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def google_error(
    status: int, message: str, *, reason: str = "forbidden", rpc_status: str = "PERMISSION_DENIED"
) -> Answer:
    """An error of Google's, with the message in every place where one may stand."""
    entry = {"message": message, "domain": "global", "reason": reason}
    detail = {"@type": "ErrorInfo", "reason": "CONSUMER_SUSPENDED", "metadata": {"consumer": message}}
    error = {"code": status, "message": message, "errors": [entry], "status": rpc_status, "details": [detail]}
    return status, "application/json", json.dumps({"error": error}).encode()
