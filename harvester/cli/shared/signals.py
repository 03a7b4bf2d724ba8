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
"""How long the second stop signal may take: a ledger that is there needs a moment of it."""


@contextmanager
def stopped_by_signals() -> Iterator[Callable[[], Stop]]:
    """What lets SIGINT, SIGTERM and SIGHUP ask for a stop, to be called in the event loop that this lasts for.

    Where the second one is not heeded in good time, as by a ledger's server that is frozen, the process ends there.
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
            # nohup lets a program ignore that its terminal is gone.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, ask)
        return stop

    try:
        yield stop_by_signals
    finally:
        for timer in timers:
            timer.cancel()


def _end_here() -> None:
    """As a kill does: what is committed is safe, and the next run takes the calls under way back."""
    log.error("the ledger does not answer: the run ends here; the next one takes back the calls under way")
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h")  # a cursor that a progress bar may have hidden
        sys.stderr.flush()
    os._exit(OutsideError.exit_code)
