"""Ping a health check, and post the summary of a day.

Addresses may hold a token: neither they nor aiohttp's messages are shown. A failure is a warning, never an exception.
"""

from __future__ import annotations

import html
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from harvester._version import __version__
from harvester.errors import ConfigError
from harvester.support.proxy_and_tls import proxy_for, tls_context

if TYPE_CHECKING:
    from harvester.config import NotifySettings
    from harvester.support.secret import Secret

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 4.0
TRIES = 2
MAX_PING_BYTES = 10_000
"""The smallest limit of common health checks."""


class HealthCheck:
    """Reports that a run began, ended well or failed, as healthchecks.io expects it. Does nothing without `url`."""

    def __init__(self, url: Secret | None) -> None:
        self._url = url

    async def started(self) -> None:
        """Ping that a run began."""
        await self._ping("start", "The run begins.")

    async def succeeded(self, text: str) -> None:
        """Ping that a run ended well, with its last lines."""
        await self._ping("", text)

    async def failed(self, text: str) -> None:
        """Ping that a run failed, with its error."""
        await self._ping("fail", text)

    async def _ping(self, ending: str, text: str) -> None:
        if self._url is None:
            return
        url = self._url.get_secret_value()
        if ending:  # a step of the path, before the query
            parts = urlsplit(url)
            url = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{ending}"))
        if problem := await post(url, text.encode()[-MAX_PING_BYTES:], "text/plain; charset=utf-8"):
            log.warning("the address of notify.url was not told of the run's %s: %s", ending or "success", problem)


async def send_summary(settings: NotifySettings, summary: Mapping[str, Any]) -> None:
    """Post the summary of a day to `notify.webhook`, if it is set. A chat gets its `text` only."""
    if settings.webhook is None:
        return
    # Slack's text wants three characters escaped as entities.
    chat = settings.webhook_format == "slack"
    body = {"text": html.escape(summary["text"], quote=False)} if chat else summary
    if problem := await post(settings.webhook.get_secret_value(), json.dumps(body).encode(), "application/json"):
        log.warning("the day's summary was not sent to notify.webhook: %s", problem)


async def post(url: str, body: bytes, content_type: str) -> str | None:
    """Post `body`, at most TRIES times. Returns None or what went wrong the last time; raises no network error."""
    import aiohttp
    from yarl import URL

    problem = None
    headers = {"Content-Type": content_type, "User-Agent": f"harvester/{__version__}"}
    for _ in range(TRIES):
        try:
            proxy = proxy_for(url)
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=tls_context()),
                    timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    trust_env=False,
                    proxy=proxy.url if proxy is not None else None,
                ) as session,
                session.post(URL(url, encoded=True), data=body, headers=headers, allow_redirects=False) as response,
            ):
                if response.status < 300:
                    return None
                problem = f"it answered {response.status}"
        except ConfigError as error:
            problem = error.what.rstrip(".")
        except TimeoutError:
            problem = f"no answer within {TIMEOUT_SECONDS:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            problem = f"no connection ({type(error).__name__})"
    return problem
