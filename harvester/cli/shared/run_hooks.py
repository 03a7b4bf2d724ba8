"""What a run does besides crawling: ping a health check, post each day's summary, write report.html.

None of it delays the run or changes its result.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from harvester.scheduling.notify import HealthCheck, send_summary

if TYPE_CHECKING:
    from harvester.app import Harvester
    from harvester.crawl.run_report import RunReport

log = logging.getLogger(__name__)

HOOKS_TIMEOUT_SECONDS = 10.0
"""Seconds that the end of the process waits for servers that do not answer."""


class RunHooks:
    """Call `begin`, then `succeeded` or `failed`, and `finish` after the result was printed."""

    def __init__(self, harvester: Harvester, report: RunReport) -> None:
        self._harvester = harvester
        self._report = report
        self._notifier = HealthCheck(harvester.config.notify.url)
        self._calls_summarized = 0
        self._error: str | None = None
        self._summary: threading.Thread | None = None
        self._started: threading.Thread | None = None
        self._ended: Callable[[], Coroutine[Any, Any, None]] | None = None

    def begin(self) -> None:
        """Start the health check's ping, and post summaries from now on."""
        self._report.on_day_over = self._summarize
        if self._harvester.config.notify.url is not None:
            self._started = start_daemon("notify-start", lambda: asyncio.run(self._notifier.started()))

    def succeeded(self, text: str) -> None:
        """Note that the run ended well, with its last lines."""
        self._ended = lambda: self._notifier.succeeded(text)

    def failed(self, text: str) -> None:
        """Note that the run failed, with its error."""
        self._error = text
        self._ended = lambda: self._notifier.failed(text)

    def finish(self) -> None:
        """Wait for what was started. Never raises: the run is over."""
        summary = self._summarize(self._report.ending) if self._ended else None
        waited_for = {
            "notify.url was not told of the run's end": self._tell(),
            "the day's summary was not sent to notify.webhook": summary,
            "the page of report.html was not written": self._page(),
        }
        give_up_at = time.monotonic() + HOOKS_TIMEOUT_SECONDS
        for what, thread in waited_for.items():
            if thread is not None:
                thread.join(max(0.0, give_up_at - time.monotonic()))
                if thread.is_alive():
                    log.warning("%s within %.0f s: no answer", what, HOOKS_TIMEOUT_SECONDS)

    def _tell(self) -> threading.Thread | None:
        started, ended = self._started, self._ended
        if ended is None or self._harvester.config.notify.url is None:
            return None

        def tell() -> None:
            if started is not None:
                started.join()
            asyncio.run(ended())

        return start_daemon("notify-end", tell)

    def _summarize(self, ending: str) -> threading.Thread | None:
        """Post the day's summary in a thread, which is returned. Without a call since the last summary, only a failure
        is posted."""
        error, calls = self._error, self._report.calls
        if self._harvester.config.notify.webhook is None or (error is None and calls == self._calls_summarized):
            return self._summary
        self._calls_summarized = calls

        def send() -> None:
            from harvester.report.webhook_message import day_summary

            try:
                overview = self._harvester.overview(1)
            except Exception as problem:  # noqa: BLE001 (the run has reported it)
                log.debug("the day's summary is without the ledger's figures: %s", problem)
                overview = None
            config = self._harvester.config
            what = "the run failed" if error else ending
            summary = day_summary(config.crawl_name, config.ledger.name, what, overview, error)
            asyncio.run(send_summary(config.notify, summary))

        self._summary = start_daemon("notify-webhook", send)
        return self._summary

    def _page(self) -> threading.Thread | None:
        uri = self._harvester.config.report.html
        if uri is None:
            return None
        try:
            page = self._harvester.page()
        except Exception as error:  # noqa: BLE001
            log.warning("the page of report.html was not written: %s", error)
            return None

        def publish() -> None:
            try:
                self._harvester.publish_page(uri, page)
            except Exception as error:  # noqa: BLE001
                log.warning("the page of report.html was not written: %s", error)

        return start_daemon("report-html", publish)


def run_within(seconds: float, function: Callable[[], object]) -> None:
    """Call a function, and raise what it raises; stop waiting after `seconds`."""
    errors: list[Exception] = []

    def do() -> None:
        try:
            function()
        except Exception as error:  # noqa: BLE001 (it is raised below)
            errors.append(error)

    if (thread := start_daemon("run-within", do)) is not None:
        thread.join(seconds)
    if errors:
        raise errors[0]


def start_daemon(name: str, function: Callable[[], None]) -> threading.Thread | None:
    """Start a thread that the process does not wait for. None if no thread can be started."""
    thread = threading.Thread(target=function, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        log.warning("%s: %s", name, error)
        return None
    return thread
