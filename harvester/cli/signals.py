"""How far a crawl is, looked up beside it while it goes: nothing in the crawl knows."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from harvester.cli.progress import Display, display
from harvester.crawl.run_report import Stop
from harvester.errors import HarvesterError, OutsideError
from harvester.report.figures import Outlook, Rate
from harvester.support.progress import Advance, ProgressCallback

if TYPE_CHECKING:
    from harvester.app import Harvester
    from harvester.crawl.run_report import RunReport

log = logging.getLogger(__name__)

LEDGER_SECONDS = 10.0
"""How often the ledger is asked what other runs have done, and which day it is."""
LOOK_SECONDS = 0.2
HEEDED_SECONDS = 8.0
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
                timers.append(threading.Timer(HEEDED_SECONDS, _end_here))
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


@asynccontextmanager
async def shown_run(harvester: Harvester, report: RunReport, verbosity: int) -> AsyncIterator[None]:
    """Show how far the run is that writes `report`, for as long as this lasts."""
    with display("run", verbosity) as shown_at:
        if shown_at is None:
            yield
            return
        async with _beside(_look(harvester, report, shown_at)):
            yield


async def _look(harvester: Harvester, report: RunReport, shown_at: Display) -> None:
    calls = Rate()
    calls.at(time.monotonic(), report.calls)
    shown_calls = 0
    outlook, asked_at = await _outlook(harvester, report), time.monotonic()
    while True:
        await asyncio.sleep(max(LOOK_SECONDS, shown_at.seconds))
        now = time.monotonic()
        if outlook is None or now - asked_at >= LEDGER_SECONDS:
            outlook, asked_at = await _outlook(harvester, report), now
        # Asleep until the quota's reset, a run has nothing new to say to a log.
        if outlook is not None and (report.calls != shown_calls or shown_at.redraws):
            shown_at.show(outlook.figures(report, calls.at(now, report.calls)))
            shown_calls = report.calls


async def _outlook(harvester: Harvester, report: RunReport) -> Outlook | None:
    """What the ledger says now. None where it can't be read: the run itself will tell of that."""
    try:
        overview = await asyncio.to_thread(harvester.overview, 1)
    except HarvesterError as error:
        log.debug("how far the run is can't be looked up: %s", error.what)
        return None
    return Outlook(overview.summary, report)


@asynccontextmanager
async def told(watch: ProgressCallback, standing: Callable[[], Advance]) -> AsyncIterator[None]:
    """Tell `watch` several times a second how things stand, for as long as this lasts."""

    async def tell() -> None:
        while True:
            watch(standing())
            await asyncio.sleep(LOOK_SECONDS)

    async with _beside(tell()):
        yield


@asynccontextmanager
async def _beside(coroutine: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """It goes on for as long as this lasts, and no longer."""
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
