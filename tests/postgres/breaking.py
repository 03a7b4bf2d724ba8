"""Ways to break the connection to a PostgreSQL ledger, at random moments of a transaction."""

from __future__ import annotations

import itertools
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import psycopg
from postgres_server import PostgresServer

MOST_SECONDS = 0.003
"""About how long a commit takes, there and back."""


class Breaker(Protocol):
    """Breaks every connection to the ledger at `url`, soon and once, each time it is called."""

    url: str

    def __call__(self) -> None: ...

    def close(self) -> None: ...


class Crash:
    """The server dies as by `pg_ctl stop -m immediate`, and starts again."""

    def __init__(self, server: PostgresServer, url: str, _rng: random.Random) -> None:
        self.url = url
        self._server = server

    def __call__(self) -> None:
        self._server.stop(signal.SIGQUIT)
        self._server.start()

    def close(self) -> None:
        pass


class Terminate:
    """The server ends the session, as by an administrator."""

    def __init__(self, _server: PostgresServer, url: str, _rng: random.Random) -> None:
        self.url = url
        self._db = psycopg.connect(url, autocommit=True)

    def __call__(self) -> None:
        self._db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    def close(self) -> None:
        self._db.close()


class Proxy:
    """A proxy loses what the client says next, or the answer to it, or delivers it late, and then hangs up."""

    def __init__(self, server: PostgresServer, url: str, rng: random.Random) -> None:
        self._server = f"{server.folder}/.s.PGSQL.5432"
        self._rng = rng
        self._listening = socket.create_server(("127.0.0.1", 0))
        address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.url = url.split("?")[0].replace("@/", f"@{address}/") + "?sslmode=disable&gssencmode=disable"
        self._armed = threading.Event()
        # Each of them at each of the three moments in turn.
        ways = ("never said", "said, no answer", "said late")
        self._ways = itertools.cycle([way for way in ways for _ in range(3)])
        threading.Thread(target=self._accept, daemon=True).start()

    def __call__(self) -> None:
        self._armed.set()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        lost = threading.Event()
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._server)
            answers = threading.Thread(target=self._answer, args=(client, server, lost))
            answers.start()
            with suppress(OSError):
                self._forward(client, server, lost)
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            answers.join()

    def _forward(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        while output := client.recv(1 << 20):
            if not self._armed.is_set():
                server.sendall(output)
                continue
            self._armed.clear()
            lost.set()
            delay = self._rng.uniform(0, MOST_SECONDS)
            how = next(self._ways)
            if how == "said, no answer":
                server.sendall(output)
                time.sleep(delay)  # pause: the answer may come first
            client.shutdown(socket.SHUT_RDWR)
            if how == "said late":
                time.sleep(10 * delay)  # pause: it is late
                server.sendall(output)
            return

    def _answer(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while (answer := server.recv(1 << 20)) and not lost.is_set():
                client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)


class AtCommits:
    """A connection that says when it is about to commit. What that gives, if anything, is done once it has committed,
    and then the answer is lost."""

    def __init__(self, db: psycopg.Connection, before: Callable[[], Callable[[], object] | None]) -> None:
        self._db = db
        self._before = before

    def execute(self, statement: Any, *values: Any) -> Any:
        after = self._before() if statement == "COMMIT" else None
        answer = self._db.execute(statement, *values)
        if after is None:
            return answer
        after()
        self._db.close()
        raise psycopg.OperationalError("the answer was lost")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)
