"""`harvester` as on another host, at a server that has been up for long: python -m other_host NAME DAYS ARGUMENTS…

Its clock is so many days ahead.
"""

from __future__ import annotations

import socket
import sys
from datetime import datetime, timedelta, tzinfo

from harvester import clock
from harvester.cli.program import main
from harvester.ledger.postgres import connection, transaction_runner


class UpForLong(transaction_runner.PostgresTransactionRunner):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        # In the minute after a server's start, a connection that is missing tells nothing.
        self.return_seconds = 0


class ItsClock(datetime):
    ahead = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.ahead


if __name__ == "__main__":
    host = sys.argv.pop(1)
    ItsClock.ahead = timedelta(days=int(sys.argv.pop(1)))
    clock.datetime = connection.datetime = ItsClock  # type: ignore[misc]
    socket.gethostname = lambda: host
    transaction_runner.PostgresTransactionRunner = UpForLong  # type: ignore[misc]
    main(prog_name="harvester")
