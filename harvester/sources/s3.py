"""Read an S3 object by s3fs: requests of a few megabytes each, retried when they fail."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import s3fs
from aiobotocore.httpsession import AIOHTTPSession  # type: ignore[import-untyped]
from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from harvester.errors import ConfigError, CredentialsError, HarvesterError, SourceUnavailable
from harvester.sources.source import AGAIN, Source, opened, sentence
from harvester.support.proxy_and_tls import s3_certificates
from harvester.support.s3_refusals import (
    CHECK_ENDPOINT,
    SESSION_OVER,
    WRONG_REGION,
    redirected,
    refusal_of,
    refuse_redirect,
)

CONNECT_SECONDS = 10
READ_SECONDS = 60
BLOCK_BYTES = 8 << 20
ATTEMPTS = 3

FAILURES = (OSError, ValueError, botocore.BotoCoreError, botocore.ClientError, aiohttp.ClientError, ResponseParserError)

_PASSING_CODES = frozenset({"RequestTimeout", "SlowDown", "OperationAborted", "InternalError", "ServiceUnavailable"})


class _Session(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
    """Follow no redirects: aiohttp would, with a signature that is valid for the first address only."""

    async def send(self, request: Any) -> Any:
        answer = await super().send(request)
        if urlsplit(answer.url)[:2] != urlsplit(request.url)[:2]:
            raise redirected(302, answer.url)
        refuse_redirect(answer.status_code, answer.headers)
        return answer


class _Filesystem(s3fs.S3FileSystem):  # type: ignore[misc]  # s3fs has no types
    """A file system that can be closed: s3fs leaves its connections to the garbage collector."""

    @staticmethod
    def close_session(loop: Any, client: Any) -> None:
        # the garbage collector then finds the client closed
        with suppress(AssertionError):
            s3fs.S3FileSystem.close_session(loop, client)


@contextmanager
def open_s3(uri: str, *, anonymous: bool) -> Iterator[Source]:
    """Open `s3://bucket/key`. An object that changes while it is read is an error."""
    _, _, path = uri.partition("://")
    if not all(path.partition("/")):
        raise ConfigError(f"{uri} names no file in a bucket.", next_step="Name it as in s3://bucket/key.")
    filesystem = _Filesystem(
        anon=anonymous,
        skip_instance_cache=True,
        use_listings_cache=False,
        default_block_size=BLOCK_BYTES,
        client_kwargs={"verify": s3_certificates()},
        config_kwargs={
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
            "http_session_cls": _Session,
        },
    )
    filesystem.retries = ATTEMPTS
    explain = partial(_explain, uri=uri, anonymous=anonymous)
    try:
        with opened(uri, path, lambda: _open_key(filesystem, path), FAILURES, explain) as source:
            yield source
    finally:
        if (client := getattr(filesystem, "_s3creator", None)) is not None:
            filesystem.close_session(filesystem.loop, client)


def _open_key(filesystem: Any, path: str) -> Any:
    file = filesystem.open(path, "rb")
    if file.details.get("type") == "directory":
        # s3fs would read a common prefix as an empty file
        file.close()
        raise FileNotFoundError(path)
    return file


def _explain(error: Exception, uri: str, anonymous: bool) -> HarvesterError:
    # s3fs raises an OSError in place of S3's answer.
    answered = error if isinstance(error, botocore.ClientError) else error.__cause__
    if isinstance(answered, botocore.ClientError) and (known := _refused(answered, uri)) is not None:
        return known
    if isinstance(error, botocore.SSLError):
        return _tls_failed(error, uri)
    if isinstance(error, ResponseParserError):
        return ConfigError(f"What answers for {uri} is not S3: its answer is no XML.", next_step=CHECK_ENDPOINT)
    if isinstance(error, FileNotFoundError):
        return ConfigError(f"There is no {uri}: the bucket or the key is missing.", next_step="Fix source.uri.")
    if isinstance(error, PermissionError):
        how = "unsigned requests" if anonymous else "these credentials"
        return CredentialsError(
            f"S3 refuses to let {how} read {uri} (or it is not there, and the account may not list the bucket).",
            next_step="Give the account the right s3:GetObject, or set source.anonymous "
            f"{'to false' if anonymous else 'to true for a public bucket'}.",
        )
    if isinstance(error, botocore.NoCredentialsError | botocore.PartialCredentialsError | botocore.ProfileNotFound):
        return CredentialsError(
            f"There are no AWS credentials to read {uri} with: {error}.",
            next_step="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, "
            "or source.anonymous = true for a public bucket.",
        )
    if isinstance(error, botocore.ParamValidationError | ValueError):
        return ConfigError(f"{uri} is no S3 address: {error}", next_step="Name it as in s3://bucket/key.")
    if isinstance(error, OSError) and error.errno in (errno.EINVAL, errno.EPERM):
        return ConfigError(
            f"S3 does not take the request for {uri}: {sentence(error)}.",
            next_step="Fix the address, the region or the credentials.",
        )
    return SourceUnavailable(f"{uri} cannot be read now: {sentence(error)}.", next_step=AGAIN)


def _refused(error: botocore.ClientError, uri: str) -> HarvesterError | None:
    """Explain S3's error code; None if the type of s3fs' exception says as much."""
    refusal = refusal_of(error)
    message = f" ({refusal.message.rstrip('.')})" if refusal.message and refusal.message != refusal.code else ""
    what = f"S3 refuses to let {uri} be read: {refusal.code}{message}."
    if refusal.code in SESSION_OVER:
        return CredentialsError(what, next_step="The session is over: sign in again, and load again.")
    if refusal.code in WRONG_REGION and (refusal.region or refusal.code != "AuthorizationHeaderMalformed"):
        where = f"={refusal.region}" if refusal.region else " to the bucket's region"
        return ConfigError(what, next_step=f"Set AWS_DEFAULT_REGION{where}. {CHECK_ENDPOINT}")
    if refusal.code in _PASSING_CODES or refusal.status in (401, 403, 404, 408, 416, 429):
        return None
    if refusal.status == 501 or 300 <= refusal.status < 500:
        return ConfigError(what, next_step=f"{refusal.hint}Fix the address, the region or the credentials.")
    return None


def _tls_failed(error: botocore.SSLError, uri: str) -> HarvesterError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ConfigError(
            f"{uri} can't be read: the certificate of the S3 endpoint does not verify (certificate verify failed).",
            next_step="AWS_CA_BUNDLE (or REQUESTS_CA_BUNDLE, SSL_CERT_FILE) names the PEM file of what to trust.",
        )
    if str(error.kwargs.get("endpoint_url", "")).startswith("http://"):
        # The request was without TLS, so the target of a redirect failed.
        return redirected(301, "")
    return SourceUnavailable(f"{uri} cannot be read now: TLS failed.", next_step=AGAIN)
