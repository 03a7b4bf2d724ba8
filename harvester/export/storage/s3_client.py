"""Connections to S3 and compatible stores."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from isal import isal_zlib

from harvester.errors import ConfigError
from harvester.export.storage.s3_errors import explained
from harvester.support.proxy_and_tls import s3_certificates
from harvester.support.s3_refusals import not_s3, refuse_redirect

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_ATTEMPTS = 4
_CONNECT_SECONDS = 5
_READ_SECONDS = 60
CONNECTIONS = 10


_kept: ContextVar[dict[tuple[str | None, bool], S3Client] | None] = ContextVar("kept S3 clients", default=None)


@contextmanager
def clients_kept() -> Iterator[None]:
    """Within this context `connected` shares one client, closed at the end; other threads are not affected.

    Use it for one command at most: a client keeps its credentials, which must not get stale in a long-lived process.
    """
    clients: dict[tuple[str | None, bool], S3Client] = {}
    token = _kept.set(clients)
    try:
        yield
    finally:
        _kept.reset(token)
        for client in clients.values():
            client.close()


@contextmanager
def connected(uri: str, region: str | None, *, ranges: bool = False) -> Iterator[S3Client]:
    """Yield a client with short timeouts. Its errors are translated, and its connections closed at the end.

    With `ranges`, checksums of answers are ignored: some stores send that of the whole object with a range.
    """
    with explained(uri):
        clients = _kept.get()
        if clients is None:
            with closing(_client(region, ranges)) as client:
                yield client
        else:
            if (region, ranges) not in clients:
                clients[region, ranges] = _client(region, ranges)
            yield clients[region, ranges]


def _client(region: str | None, ranges: bool) -> S3Client:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        user_agent_extra="harvester",
        response_checksum_validation="when_required" if ranges else None,
    )
    try:
        # boto3's default session would keep the credentials that it found first.
        session = boto3.session.Session()
        client: S3Client = session.client("s3", region_name=region, config=config, verify=s3_certificates())
    except ValueError:
        # Neither the URL nor the cause is shown: they may hold a password.
        raise ConfigError("AWS_ENDPOINT_URL or export.region is not valid.", state="Nothing was written.") from None
    client.meta.events.register_first("needs-retry.s3", _refuse_redirect)
    client.meta.events.register_first("after-call.s3", _refuse_pages)
    return client


def _refuse_redirect(response: tuple[Any, Any] | None, **_: object) -> None:
    if response is not None:
        http, _parsed = response
        refuse_redirect(http.status_code, {name.lower(): value for name, value in http.headers.items()})


_PROOF = {
    "HeadObject": "ETag",
    "GetObject": "ETag",
    "PutObject": "ETag",
    "CreateMultipartUpload": "UploadId",
    "UploadPart": "ETag",
    "CompleteMultipartUpload": "ETag",
}
"""Fields of every S3 answer. A web page with status 200, as of a console or a captive portal, has none."""


def _refuse_pages(http_response: Any, parsed: dict[str, Any], model: Any, **_: object) -> None:
    proof = _PROOF.get(model.name)
    if proof is not None and http_response.status_code < 300 and not parsed.get(proof):
        raise not_s3(f"it answered {model.name} with HTTP {http_response.status_code} and without {proof}")


def wants_checksums(client: S3Client) -> bool:
    """Whether checksums are sent: some stores know none, and AWS's own setting disables them."""
    # The stubs do not know this attribute of botocore's Config.
    return getattr(client.meta.config, "request_checksum_calculation", None) == "when_supported"


def crc32(data: bytes | bytearray) -> bytes:
    """Return the CRC32 of the data, as four bytes."""
    # isa-l's crc32 is ten times as fast as zlib's.
    return isal_zlib.crc32(data).to_bytes(4, "big")


def as_header(checksum: bytes) -> str:
    """Return a checksum as S3's headers have it, in base64."""
    return base64.b64encode(checksum).decode()
