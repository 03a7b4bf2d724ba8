"""A run in a process of its own: its life and its end; and the verdict, when all have ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from deaths import Death
from ledgers import look_at_connections_only

from harvester.app import Harvester
from harvester.crawl.run_report import RunReport
from harvester.errors import HarvesterError
from harvester.report.result_types import Check


def begin(harvester: Harvester, death: Death | None = None, *, by_connection: bool = True) -> int:
    """Fork; the child's pid. Whoever calls this holds no connection: it would be the child's too.

    `by_connection`: it sees by their connections alone whether others live, from the server's first minute on.
    """
    pid = os.fork()
    if pid == 0:
        if by_connection:
            look_at_connections_only()
        _live(harvester, death)
    return pid


def kill(pid: int) -> int:
    """kill -9, and reap: the wait status."""
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def give_verdict(checks: Sequence[Check]) -> None:
    """Say it; exit code 5 where a promise was broken."""
    for check in checks:
        print("kept  " if check.kept else "BROKEN", f"{check.promise}: {check.figures}")
    if not all(check.kept for check in checks):
        raise SystemExit(5)


def _live(harvester: Harvester, death: Death | None) -> None:
    code = 1
    try:
        if death is not None:
            death.await_it()
        asyncio.run(harvester.run(RunReport()))
        code = 0
    except HarvesterError as error:
        code = error.exit_code
        print(error, file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)
