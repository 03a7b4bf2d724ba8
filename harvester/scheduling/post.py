"""Posting to a monitor's address, which may hold a token: it is in no message, nor is what aiohttp says of it."""

from __future__ import annotations

from harvester._version import __version__

TIMEOUT_SECONDS = 4.0
TRIES = 2


async def post(url: str, body: bytes, content_type: str) -> str | None:
    """Post it, TRIES times at most. None, or what went wrong the last time; never raises for the network's sake."""
    problem: str | None = None
    for _ in range(TRIES):
        if (problem := await _post(url, body, content_type)) is None:
            break
    return problem


async def _post(url: str, body: bytes, content_type: str) -> str | None:
    import aiohttp
    from yarl import URL

    from harvester.errors import ConfigError
    from harvester.support.network import proxy_for, tls_context

    headers = {"Content-Type": content_type, "User-Agent": f"harvester/{__version__}"}
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
