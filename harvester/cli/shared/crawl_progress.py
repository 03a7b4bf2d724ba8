"""Show how far a crawl is, from a thread that reads the ledger and the run's report."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harvester.cli.shared.progress_line import Display, display
from harvester.cli.shared.run_hooks import start_daemon
from harvester.errors import HarvesterError
from harvester.report.progress_figures import Outlook, Rate
from harvester.support.progress_callback import Advance, ProgressCallback

if TYPE_CHECKING:
    from harvester.app import Harvester
    from harvester.crawl.run_report import RunReport

log = logging.getLogger(__name__)

LEDGER_SECONDS = 10.0
"""Seconds between two reads of the ledger, for other runs and the day."""
UPDATE_SECONDS = 0.2


@contextmanager
def show_run_progress(harvester: Harvester, report: RunReport, verbosity: int) -> Iterator[None]:
    """Show the progress of the run that updates `report`, while the context lasts."""
    with display("run", verbosity) as shown_at:
        if shown_at is None:
            yield
            return
        with _in_background(lambda ended: _show_until(ended, harvester, report, shown_at)):
            yield


def _show_until(ended: threading.Event, harvester: Harvester, report: RunReport, shown_at: Display) -> None:
    calls = Rate()
    calls.at(time.monotonic(), report.calls)
    shown_calls = 0
    outlook, asked_at = _outlook(harvester, report), time.monotonic()
    while not ended.wait(max(UPDATE_SECONDS, shown_at.seconds)):
        now = time.monotonic()
        if outlook is None or now - asked_at >= LEDGER_SECONDS:
            outlook, asked_at = _outlook(harvester, report), now
        # A run that sleeps until the quota's reset has nothing new to log.
        if outlook is not None and (report.calls != shown_calls or shown_at.redraws):
            shown_at.show(outlook.figures(report, calls.at(now, report.calls)))
            shown_calls = report.calls


def _outlook(harvester: Harvester, report: RunReport) -> Outlook | None:
    """Read the ledger. None if it can't be read: the run itself reports that."""
    try:
        return Outlook(harvester.overview(1).summary, report)
    except HarvesterError as error:
        log.debug("how far the run is can't be looked up: %s", error.what)
        return None


@contextmanager
def report_progress(progress: ProgressCallback, measure: Callable[[], Advance]) -> Iterator[None]:
    """Call `progress` several times a second, while the context lasts."""

    def report(ended: threading.Event) -> None:
        progress(measure())
        while not ended.wait(UPDATE_SECONDS):
            progress(measure())

    with _in_background(report):
        yield


@contextmanager
def _in_background(function: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run a function in a thread; the event that it gets is set when the context ends."""
    ended = threading.Event()
    thread = start_daemon("progress", lambda: function(ended))
    try:
        yield
    finally:
        ended.set()
        if thread is not None:
            thread.join()
