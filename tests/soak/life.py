"""A run in a process of its own: its life, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from deaths import Death
from ledgers import ByConnection

from harvester.app import Harvester
from harvester.errors import HarvesterError
from harvester.ledger.postgres import ledger as on_server


def begin(harvester: Harvester, death: Death | None = None) -> int:
    """Fork; the child's pid. Whoever calls this holds no connection: it would be the child's too."""
    pid = os.fork()
    if pid == 0:
        _live(harvester, death)
    return pid


def kill(pid: int) -> int:
    """kill -9, and reap: the wait status."""
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def _live(harvester: Harvester, death: Death | None) -> None:
    code = 1
    try:
        on_server.PostgresLedger = ByConnection  # type: ignore[misc]
        if death is not None:
            death.await_it()
        asyncio.run(harvester.run())
        code = 0
    except HarvesterError as error:
        code = error.exit_code
        print(error, file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)
