"""Show how far a crawl is, from a background task that reads the ledger and the run's report."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from harvester.cli.shared.progress import Display, display
from harvester.errors import HarvesterError
from harvester.report.figures import Outlook, Rate
from harvester.support.progress import Advance, ProgressCallback

if TYPE_CHECKING:
    from harvester.app import Harvester
    from harvester.crawl.run_report import RunReport

log = logging.getLogger(__name__)

LEDGER_SECONDS = 10.0
"""Seconds between two reads of the ledger, for other runs and the day."""
UPDATE_SECONDS = 0.2


@asynccontextmanager
async def show_run_progress(harvester: Harvester, report: RunReport, verbosity: int) -> AsyncIterator[None]:
    """Show the progress of the run that updates `report`, while the context lasts."""
    with display("run", verbosity) as shown_at:
        if shown_at is None:
            yield
            return
        async with _in_background(_show_until_cancelled(harvester, report, shown_at)):
            yield


async def _show_until_cancelled(harvester: Harvester, report: RunReport, shown_at: Display) -> None:
    calls = Rate()
    calls.at(time.monotonic(), report.calls)
    shown_calls = 0
    outlook, asked_at = await _outlook(harvester, report), time.monotonic()
    while True:
        await asyncio.sleep(max(UPDATE_SECONDS, shown_at.seconds))
        now = time.monotonic()
        if outlook is None or now - asked_at >= LEDGER_SECONDS:
            outlook, asked_at = await _outlook(harvester, report), now
        # A run that sleeps until the quota's reset has nothing new to log.
        if outlook is not None and (report.calls != shown_calls or shown_at.redraws):
            shown_at.show(outlook.figures(report, calls.at(now, report.calls)))
            shown_calls = report.calls


async def _outlook(harvester: Harvester, report: RunReport) -> Outlook | None:
    """Read the ledger. None if it can't be read: the run itself reports that."""
    try:
        overview = await asyncio.to_thread(harvester.overview, 1)
    except HarvesterError as error:
        log.debug("how far the run is can't be looked up: %s", error.what)
        return None
    return Outlook(overview.summary, report)


@asynccontextmanager
async def report_progress(progress: ProgressCallback, measure: Callable[[], Advance]) -> AsyncIterator[None]:
    """Call `progress` several times a second, while the context lasts."""

    async def report() -> None:
        while True:
            progress(measure())
            await asyncio.sleep(UPDATE_SECONDS)

    async with _in_background(report()):
        yield


@asynccontextmanager
async def _in_background(coroutine: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a coroutine as a task while the context lasts."""
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
