"""A monitor on this machine: what harvester posts to it, and how it answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "a-token-that-nobody-may-see"


@dataclass
class Monitor:
    """What was posted, in order: the path and the body; and how it answers."""

    url: str = ""
    posts: list[tuple[str, str]] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    content_types: set[str] = field(default_factory=set)
    answers: list[int] = field(default_factory=list)
    """Used up first to last; 200 from then on."""
    location: str = "/elsewhere"


@contextmanager
def monitoring() -> Iterator[Monitor]:
    monitor = Monitor()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            monitor.posts.append((self.path, body))
            monitor.agents.add(self.headers["User-Agent"].partition("/")[0])
            monitor.content_types.add(self.headers["Content-Type"])
            self.send_response(monitor.answers.pop(0) if monitor.answers else 200)
            self.send_header("Location", monitor.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            monitor.posts.append((f"GET {self.path}", ""))
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        monitor.url = f"http://127.0.0.1:{server.server_port}/ping/{TOKEN}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield monitor
        server.shutdown()
        thread.join()
