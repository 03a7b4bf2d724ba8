"""What a run does besides crawling: ping a health check, and write the page of report.html.

Neither delays the run, nor changes its result.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from harvester.scheduling.healthcheck import HealthCheck

if TYPE_CHECKING:
    from harvester.app import Harvester

log = logging.getLogger(__name__)

HOOKS_TIMEOUT_SECONDS = 10.0
"""How long the end of the process waits for places that accept and then say nothing."""


class RunHooks:
    """`begin` with the run, then `succeeded` or `failed`, and `finish` once the result has been printed."""

    def __init__(self, harvester: Harvester) -> None:
        self._harvester = harvester
        self._notifier = HealthCheck(harvester.config.notify.url)
        self._started: threading.Thread | None = None
        self._ended: Callable[[], Coroutine[Any, Any, None]] | None = None

    def begin(self) -> None:
        if self._harvester.config.notify.url is not None:
            self._started = _start_daemon("notify-start", lambda: asyncio.run(self._notifier.started()))

    def succeeded(self, text: str) -> None:
        self._ended = lambda: self._notifier.succeeded(text)

    def failed(self, text: str) -> None:
        self._ended = lambda: self._notifier.failed(text)

    def finish(self) -> None:
        """Never raises: the run is over, and what it did stays done."""
        waited_for = {
            "notify.url was not told of the run's end": self._tell(),
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

        return _start_daemon("notify-end", tell)

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

        return _start_daemon("report-html", publish)


def run_within(seconds: float, function: Callable[[], object]) -> None:
    """Do it, and raise what it raises; give up waiting for it after so long."""
    errors: list[Exception] = []

    def do() -> None:
        try:
            function()
        except Exception as error:  # noqa: BLE001 (it is raised below)
            errors.append(error)

    if (thread := _start_daemon("run-within", do)) is not None:
        thread.join(seconds)
    if errors:
        raise errors[0]


def _start_daemon(name: str, function: Callable[[], None]) -> threading.Thread | None:
    """A thread that the process does not wait for; None where there can be no more."""
    thread = threading.Thread(target=function, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        log.warning("%s: %s", name, error)
        return None
    return thread
