"""SIGINT, SIGTERM and SIGHUP ask a crawl to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harvester.crawl.stop import Stop
from harvester.errors import OutsideError

log = logging.getLogger(__name__)

FORCED_EXIT_SECONDS = 8.0
"""Seconds that a stop may take after the second signal."""


@contextmanager
def stopped_by_signals() -> Iterator[Callable[[], Stop]]:
    """Yield a function that lets SIGINT, SIGTERM and SIGHUP ask for a stop. Call it in the event loop.

    If the second signal has no effect in time, for example because the ledger's server hangs, the process ends.
    """
    timers: list[threading.Timer] = []

    def stop_by_signals() -> Stop:
        stop, loop = Stop(), asyncio.get_running_loop()

        def ask() -> None:
            stop.ask()
            if stop.at_once.is_set() and not timers:
                timers.append(threading.Timer(FORCED_EXIT_SECONDS, _end_here))
                timers[0].daemon = True
                timers[0].start()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup makes a program ignore the end of its terminal.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, ask)
        return stop

    try:
        yield stop_by_signals
    finally:
        for timer in timers:
            timer.cancel()


def _end_here() -> None:
    """End at once, as if killed: what is committed is safe, and the next run takes back the calls under way."""
    log.error("the ledger does not answer: the run ends here; the next one takes back the calls under way")
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h")  # show the cursor, which a progress bar may have hidden
        sys.stderr.flush()
    os._exit(OutsideError.exit_code)
