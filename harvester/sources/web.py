"""Read a web address by one request."""

from __future__ import annotations

import io
import re
import ssl
from contextlib import AbstractContextManager
from functools import partial
from http.client import HTTPException, HTTPResponse, IncompleteRead, InvalidURL
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from harvester.errors import ConfigError, CredentialsError, HarvesterError, SourceUnavailable
from harvester.sources.source import AGAIN, Source, opened, sentence
from harvester.support.proxy_and_tls import TRUST_IT, proxy_for, tls_context

SILENCE_SECONDS = 60
_TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})")
"""The message of http.client if a proxy answers a CONNECT with other than 200."""
FAILURES = (OSError, ValueError, HTTPException)


def open_web(url: str) -> AbstractContextManager[Source]:
    """Open a URL, through the environment's proxy if any, for use as a context manager."""
    try:
        address = urlsplit(url)
        _ = address.port  # raises if the port is not a number
    except ValueError as error:
        # The URL is not shown: it may hold a password.
        raise ConfigError(f"The source's address is none: {error}.", next_step="Fix the address.") from None
    if address.username is not None:
        raise ConfigError(
            "The source's address holds a user name.",
            next_step="Take it out: it would stand in logs. Or pipe the file in.",
        )
    shown = address._replace(query="", fragment="").geturl()
    if not address.hostname:
        raise ConfigError(f"{shown} names no host.", next_step="Fix the address.")
    proxy_for(url)  # raises if it can't be used
    quoted = quote(url, safe="%/:=&?~#+!$,;'@()*[]", errors="surrogateescape")
    request = Request(quoted, headers={"User-Agent": "harvester"})  # noqa: S310

    def open_it() -> _Whole:
        return _Whole(urlopen(request, timeout=SILENCE_SECONDS, context=tls_context()))  # noqa: S310

    return opened(shown, address.path, open_it, FAILURES, partial(_explain, shown=shown))


class _Whole(io.RawIOBase):
    """An HTTP body that raises if it is truncated, which http.client does not report."""

    def __init__(self, response: HTTPResponse) -> None:
        self._response = response
        length = response.headers.get("Content-Length", "")
        self.size = int(length) if length.isdecimal() and not response.chunked else None
        self._missing = self.size

    def read(self, size: int = -1, /) -> bytes:
        data = self._response.read(size)
        if self._missing is not None:
            self._missing -= len(data)
            if not data and self._missing > 0:
                raise IncompleteRead(b"", self._missing)
        return data

    def close(self) -> None:
        self._response.close()
        super().close()


def _explain(error: Exception, shown: str) -> HarvesterError:
    if isinstance(error, HTTPError):
        error.close()
        return _refused(error.code, shown)
    if isinstance(error, InvalidURL):
        return ConfigError(f"{shown} is no address.", next_step="Fix the address.")
    if isinstance(error, IncompleteRead):
        return SourceUnavailable(f"{shown}: the source ended in the middle.", next_step=AGAIN)
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, ssl.SSLCertVerificationError):
        why = f"certificate verify failed: {reason.verify_message}"
        return ConfigError(f"{shown} can't be read: its certificate is not trusted ({why}).", next_step=TRUST_IT)
    if (tunnel := _TUNNEL.match(str(reason))) is not None:
        return _refused_by_proxy(int(tunnel[1]), shown)
    return SourceUnavailable(f"{shown} cannot be read now: {sentence(reason)}.", next_step=AGAIN)


def _refused_by_proxy(status: int, shown: str) -> HarvesterError:
    what = f"The proxy before {shown} answered HTTP {status}."
    if status >= 500 or status in (408, 429):
        return SourceUnavailable(what, next_step=AGAIN)
    return CredentialsError(
        what,
        next_step="Look at HTTPS_PROXY or HTTP_PROXY: with a user and password it is http://user:password@host:port. "
        "NO_PROXY names the hosts that are reached without it.",
    )


def _refused(status: int, shown: str) -> HarvesterError:
    if status in (401, 403):
        return CredentialsError(
            f"{shown} refuses to be read: HTTP {status}.",
            next_step="Use an address that anyone may read, or a presigned one; or pipe the file in: harvester load -.",
        )
    if status == 407:
        return _refused_by_proxy(status, shown)
    if status in (408, 425, 429) or status >= 500:
        return SourceUnavailable(f"{shown} cannot be read now: HTTP {status}.", next_step=AGAIN)
    return ConfigError(f"{shown} is not there: HTTP {status}.", next_step="Fix the address.")
