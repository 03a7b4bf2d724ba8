"""SIGINT, SIGTERM and SIGHUP ask a crawl to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from harvester.crawl.stop import Stop
from harvester.errors import OutsideError

log = logging.getLogger(__name__)

FORCED_EXIT_SECONDS = 8.0
"""Seconds that a stop may take after the second signal."""


@contextmanager
def stopped_by_signals() -> Iterator[tuple[asyncio.Runner, Stop]]:
    """Yield an event loop's runner, and a stop that SIGINT, SIGTERM and SIGHUP ask for while it runs.

    If the second signal has no effect in time, for example because the ledger's server hangs, the process ends.
    """
    stop = Stop()
    timer = threading.Timer(FORCED_EXIT_SECONDS, _end_here)
    timer.daemon = True

    def ask() -> None:
        stop.ask()
        if stop.at_once.is_set() and timer.ident is None:
            timer.start()

    try:
        with asyncio.Runner() as runner:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                # nohup makes a program ignore the end of its terminal.
                if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                    runner.get_loop().add_signal_handler(number, ask)
            yield runner, stop
    finally:
        timer.cancel()


def _end_here() -> None:
    """End at once, as if killed: what is committed is safe, and the next run takes back the calls under way."""
    log.error("the ledger does not answer: the run ends here; the next one takes back the calls under way")
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h")  # show the cursor, which a progress bar may have hidden
        sys.stderr.flush()
    os._exit(OutsideError.exit_code)
