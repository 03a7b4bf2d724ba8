"""Turn the exceptions of a call without a complete answer into outcomes.

Messages are written here: an exception of aiohttp can carry the request's headers, and so the key.
"""

from __future__ import annotations

import errno

import aiohttp

from harvester.model import Outcome, Verdict
from harvester.youtube.error_body import clean

NETWORK_FAULTS = (aiohttp.ClientError, TimeoutError, OSError)
"""Exceptions of the network. Any other exception is a bug, and is not caught."""

_UNSENT: tuple[tuple[type[Exception], str, str], ...] = (
    (aiohttp.ConnectionTimeoutError, "connect_failed", "no connection within the time given"),
    (aiohttp.ClientConnectorDNSError, "dns_failed", "the name of the API's host cannot be resolved"),
    (aiohttp.ClientSSLError, "tls_failed", "no trusted TLS connection"),
    (aiohttp.ClientConnectorError, "connect_failed", "no connection"),
)
"""Raised while connecting, before a byte of the request is sent: these calls cost nothing."""

_SENT: tuple[tuple[type[Exception], str, str], ...] = (
    (TimeoutError, "timeout", "no whole answer within the time given"),
    (aiohttp.ClientPayloadError, "cut_body", "the connection ended before the body did"),
    (aiohttp.ServerDisconnectedError, "disconnected", "the connection ended before the answer began"),
    (aiohttp.ClientOSError, "disconnected", "the connection broke"),
    (ConnectionError, "disconnected", "the connection broke"),
    (aiohttp.ClientResponseError, "bad_http", "the answer is no HTTP"),
)


def outcome_of(fault: Exception) -> Outcome:
    """Classify one of NETWORK_FAULTS. `sent` is False only if the request certainly never left.

    A certificate that does not verify and a proxy that refuses are MISCONFIGURED: only a person can resolve them.
    """
    if isinstance(fault, aiohttp.ClientConnectorCertificateError):
        return Outcome(Verdict.MISCONFIGURED, "tls_failed", message=_untrusted(fault), sent=False)
    if isinstance(fault, aiohttp.ClientHttpProxyError):
        final = 400 <= fault.status < 500 and fault.status not in (408, 429)
        verdict = Verdict.MISCONFIGURED if final else Verdict.TRY_AGAIN
        return Outcome(verdict, "proxy_refused", message=f"the proxy answered HTTP {fault.status}", sent=False)
    if isinstance(fault, aiohttp.ClientConnectorError) and fault.os_error.errno in (errno.EMFILE, errno.ENFILE):
        # Fewer calls at once help, as after pushback of the API.
        return Outcome(Verdict.SLOW_DOWN, "too_many_files", message="this process may open no more files", sent=False)
    for kind, reason, message in _UNSENT:
        if isinstance(fault, kind):
            return Outcome(Verdict.TRY_AGAIN, reason, message=_with_cause(message, fault), sent=False)
    for kind, reason, message in _SENT:
        if isinstance(fault, kind):
            return Outcome(Verdict.TRY_AGAIN, reason, message=message)
    return Outcome(Verdict.TRY_AGAIN, "transport", message=f"the connection failed ({type(fault).__name__})")


def _with_cause(message: str, fault: Exception) -> str:
    """Append the operating system's reason why there is no connection; it contains at most an address."""
    if isinstance(fault, aiohttp.ClientConnectorError):
        proxy = "the proxy " if isinstance(fault, aiohttp.ClientProxyConnectionError) else ""
        cause = fault.os_error.strerror or type(fault.os_error).__name__
        return clean(f"{message} with {proxy}{fault.host}: {cause}")
    return message


def _untrusted(fault: aiohttp.ClientConnectorCertificateError) -> str:
    why = getattr(fault.certificate_error, "verify_message", "") or "it is for another name"
    return clean(f"no trusted TLS connection: the certificate of {fault.host} does not verify ({why})")
