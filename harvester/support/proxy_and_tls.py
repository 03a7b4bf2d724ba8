"""Proxies and trusted certificates, as the environment names them."""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from harvester.errors import ConfigError
from harvester.support.sanitize import shown

TRUST_IT = (
    "If the network here inspects TLS with a certificate authority of its own, let SSL_CERT_FILE (or "
    "REQUESTS_CA_BUNDLE) name its PEM file; else ask who runs the network."
)
"""What to do about a certificate that does not verify."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that the environment names."""

    url: str = field(repr=False)
    """With user and password."""
    shown: str
    """Without user and password."""
    variable: str


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy for `url`, by HTTP_PROXY, HTTPS_PROXY and NO_PROXY in either case, as urllib reads them.

    Raises ConfigError if the variable's proxy cannot be used.
    """
    address = urlsplit(url)
    value = getproxies().get(address.scheme, "")
    if not value or proxy_bypass(address.netloc.rpartition("@")[2]):
        return None
    name = f"{address.scheme}_proxy"
    variable = name if os.environ.get(name) else name.upper()
    value = value if "://" in value else f"http://{value}"
    try:
        proxy = urlsplit(value)
        usable = proxy.scheme in ("http", "https") and bool(proxy.hostname) and proxy.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"{variable} names no proxy that harvester can use.",
            state="Nothing was sent.",
            next_step="Let it be http://host:port or http://user:password@host:port, or unset it; "
            "NO_PROXY names the hosts that are reached without it.",
        )
    return Proxy(value, shown(f"{proxy.scheme}://{proxy.netloc.rpartition('@')[2]}"), variable)


def tls_context() -> ssl.SSLContext:
    """Return a context that trusts the system's certificates or SSL_CERT_FILE, and REQUESTS_CA_BUNDLE too.

    Raises ConfigError if a file that a variable names can't be read.
    """
    return _context(os.environ.get("SSL_CERT_FILE", ""), os.environ.get("REQUESTS_CA_BUNDLE", ""))


@cache
def _context(cert_file: str, bundle: str) -> ssl.SSLContext:
    # OpenSSL does not report a missing file.
    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), cert_file, "SSL_CERT_FILE")
    context = ssl.create_default_context()
    _load(context, bundle, "REQUESTS_CA_BUNDLE")
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, name: str, variable: str) -> None:
    if not name:
        return
    try:
        if Path(name).is_dir():
            context.load_verify_locations(capath=name)
        else:
            context.load_verify_locations(cafile=name)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = error.strerror if not isinstance(error, ssl.SSLError) and isinstance(error, OSError) else None
        raise ConfigError(
            f"{variable} names {shown(name)}, which can't be read as certificates{f': {reason}' if reason else ''}.",
            state="Nothing was sent.",
            next_step="Let it name a PEM file, or unset it.",
        ) from None


def s3_certificates() -> str | None:
    """Return SSL_CERT_FILE if no variable of AWS's own libraries is set; None otherwise.

    Raises ConfigError if it can't be read.
    """
    from botocore.exceptions import ProfileNotFound
    from botocore.session import Session

    file = os.environ.get("SSL_CERT_FILE", "")
    if not file or os.environ.get("REQUESTS_CA_BUNDLE"):
        return None
    with suppress(ProfileNotFound):
        if Session().get_config_variable("ca_bundle"):  # AWS_CA_BUNDLE, or that of the profile
            return None
    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), file, "SSL_CERT_FILE")
    return file
