"""A source in S3, by s3fs: requests for a few megabytes each, tried again when they fail."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import aiohttp
import s3fs
from botocore import exceptions as botocore

from harvester.errors import ConfigError, CredentialsError, HarvesterError, SourceUnavailable
from harvester.sources.source import AGAIN, Source, opened, sentence

CONNECT_SECONDS = 10
READ_SECONDS = 60
BLOCK_BYTES = 8 << 20
ATTEMPTS = 3

FAILURES = (OSError, ValueError, botocore.BotoCoreError, aiohttp.ClientError)


class _Filesystem(s3fs.S3FileSystem):  # type: ignore[misc]  # s3fs has no types
    """One that can be closed: s3fs leaves its connections to the garbage collector, which comes when it comes."""

    @staticmethod
    def close_session(loop: Any, client: Any) -> None:
        # the garbage collector still comes, and finds the client closed
        with suppress(AssertionError):
            s3fs.S3FileSystem.close_session(loop, client)


@contextmanager
def open_s3(uri: str, *, anonymous: bool) -> Iterator[Source]:
    """Open `s3://bucket/key`. An object that changes while it is read is an error."""
    _, _, path = uri.partition("://")
    if not all(path.partition("/")):
        raise ConfigError(f"{uri} names no file in a bucket.", next_step="Name it as in s3://bucket/key.")
    with (
        _filesystem(anonymous) as filesystem,
        opened(lambda: _open_key(filesystem, path), FAILURES, lambda error: _explain(error, uri, anonymous)) as file,
    ):
        yield Source(uri, path, file)


@contextmanager
def _filesystem(anonymous: bool) -> Iterator[_Filesystem]:
    filesystem = _Filesystem(
        anon=anonymous,
        skip_instance_cache=True,
        use_listings_cache=False,
        default_block_size=BLOCK_BYTES,
        config_kwargs={
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
        },
    )
    filesystem.retries = ATTEMPTS
    try:
        yield filesystem
    finally:
        if (client := getattr(filesystem, "_s3creator", None)) is not None:
            filesystem.close_session(filesystem.loop, client)


def _open_key(filesystem: Any, path: str) -> Any:
    file = filesystem.open(path, "rb")
    if file.details.get("type") == "directory":
        # s3fs reads a common prefix as an empty file
        file.close()
        raise FileNotFoundError(path)
    return file


def _explain(error: Exception, uri: str, anonymous: bool) -> HarvesterError:
    if isinstance(error, FileNotFoundError):
        return ConfigError(f"There is no {uri}: the bucket or the key is missing.", next_step="Mend source.uri.")
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
            next_step="Mend the address, the region or the credentials.",
        )
    return SourceUnavailable(f"{uri} cannot be read now: {sentence(error)}.", next_step=AGAIN)
