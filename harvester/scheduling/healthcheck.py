"""Telling a monitor that a run began, ended well or failed, as services like healthchecks.io expect it."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from harvester.scheduling.post import post

log = logging.getLogger(__name__)

MAX_BYTES = 10_000
"""The least of what such services keep."""


class HealthCheck:
    """Posts to one address, or nowhere. What goes wrong with that is a warning, and never an exception."""

    def __init__(self, url: SecretStr | None) -> None:
        self._url = url

    async def started(self) -> None:
        await self._ping("start", "The run begins.")

    async def succeeded(self, text: str) -> None:
        await self._ping("", text)

    async def failed(self, text: str) -> None:
        await self._ping("fail", text)

    async def _ping(self, ending: str, text: str) -> None:
        if self._url is None:
            return
        url = _with_ending(self._url.get_secret_value(), ending)
        if problem := await post(url, text.encode()[-MAX_BYTES:], "text/plain; charset=utf-8"):
            log.warning("the address of notify.url was not told of the run's %s: %s", ending or "success", problem)


def _with_ending(url: str, ending: str) -> str:
    """The address with one more step in its path; a query stays where it is."""
    if not ending:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{ending}"))
