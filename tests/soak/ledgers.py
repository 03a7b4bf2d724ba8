"""The ledgers of the soak: a file, or a database on a server that can be let down."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Protocol

from harvester.ledger import ledger
from harvester.ledger.postgres import transaction_runner as on_server


class Place(Protocol):
    url: str

    def let_down(self) -> None:
        """As by a power cut, and up again."""
        ...

    def close(self) -> None: ...


class Given:
    """Somebody else's."""

    def __init__(self, url: str) -> None:
        self.url = url

    def let_down(self) -> None:
        raise SystemExit("there is no server here that could be let down")

    def close(self) -> None:
        """It stays."""


class InFile(Given):
    def __init__(self, folder: Path) -> None:
        super().__init__(f"sqlite:///{folder / 'harvest.db'}")


class OnServer:
    def __init__(self, _folder: Path) -> None:
        sys.path.append(str(Path(__file__).parents[1]))
        from postgres_server import PostgresServer

        self._server = PostgresServer()
        self.url = self._server.new_database()

    def let_down(self) -> None:
        self._server.stop(signal.SIGQUIT)
        self._server.start()

    def close(self) -> None:
        self._server.remove()


PLACES = {"sqlite": InFile, "postgres": OnServer}


class _UpForLong(on_server.PostgresTransactionRunner):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.return_seconds = 0
        # Not for a ledger in a file, where nothing else tells that a process is dead.
        assert callable(ledger.is_alive)
        ledger.is_alive = lambda _: True


def look_at_connections_only() -> None:
    """This process, from the server's first minute on, notices the death of others by their connections alone."""
    on_server.PostgresTransactionRunner = _UpForLong  # type: ignore[misc]
