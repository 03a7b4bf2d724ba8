"""Telling a monitor that a run began, ended well or failed, as services like healthchecks.io expect it.

The address may hold a token: it is in no message here, and exceptions of aiohttp, which repeat it, are never shown.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from harvester._version import __version__

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 4.0
TRIES = 2
MOST_BYTES = 10_000
"""The least of what such services keep."""


class HealthCheck:
    """Posts to one address, or nowhere. What goes wrong with that is a warning, and never an exception."""

    def __init__(self, url: SecretStr | None) -> None:
        self._url = url

    async def started(self) -> None:
        await self._tell("start", "The run begins.")

    async def succeeded(self, text: str) -> None:
        await self._tell("", text)

    async def failed(self, text: str) -> None:
        await self._tell("fail", text)

    async def _tell(self, ending: str, text: str) -> None:
        if self._url is None:
            return
        url = _with_ending(self._url.get_secret_value(), ending)
        problem: str | None = None
        for _ in range(TRIES):
            problem = await self._post(url, text.encode()[-MOST_BYTES:])
            if problem is None:
                return
        log.warning("the address of notify.url was not told of the run's %s: %s", ending or "success", problem)

    async def _post(self, url: str, body: bytes) -> str | None:
        """None, or what went wrong."""
        import aiohttp
        from yarl import URL

        from harvester.errors import ConfigError
        from harvester.support.network import proxy_for, tls_context

        headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": f"harvester/{__version__}"}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            proxy = proxy_for(url)
            connector = aiohttp.TCPConnector(ssl=tls_context())
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=timeout,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    trust_env=False,
                    proxy=proxy.url if proxy is not None else None,
                ) as session,
                session.post(URL(url, encoded=True), data=body, headers=headers, allow_redirects=False) as response,
            ):
                return None if response.status < 300 else f"it answered {response.status}"
        except ConfigError as error:
            return error.what.rstrip(".")
        except TimeoutError:
            return f"no answer within {TIMEOUT_SECONDS:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return f"no connection ({type(error).__name__})"


def _with_ending(url: str, ending: str) -> str:
    """The address with one more step in its path; a query stays where it is."""
    if not ending:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{ending}"))
