"""Abort unfinished uploads of killed exports, which are invisible but charged for.

An open upload does not say whose it is, or whether its sender lives. So all uploads to the exported key are aborted
that were open before this export began and still are when it has published. Their sender is dead, or would replace the
object by an older state of the ledger; a living one ends with an error, and nothing is lost. This needs neither a clock
nor a local file, and works from any machine.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

log = logging.getLogger(__name__)

OpenUpload: TypeAlias = tuple[str, str]
"""Key and upload id."""


def open_uploads(client: S3Client, bucket: str, key: str, *, folder: bool = False) -> list[OpenUpload]:
    """Return the open uploads to exactly this key; with `folder`, to all keys with this prefix.

    Empty if the account may not list them.
    """
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key)
    try:
        found = [(upload["Key"], upload["UploadId"]) for page in pages for upload in page.get("Uploads", [])]
    except ClientError as error:
        # Ignored here: if the bucket is the problem, publishing reports it.
        code = error.response.get("Error", {}).get("Code", "unknown")
        log.debug("open uploads to s3://%s/%s can't be listed (%s): none is swept", bucket, key, code)
        return []
    return [upload for upload in found if folder or upload[0] == key]


def abort_all(client: S3Client, bucket: str, uploads: Iterable[OpenUpload]) -> None:
    """Abort those that are still open. A failure does not fail the export: the next one tries again."""
    for key, upload in uploads:
        try:
            client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        except ClientError as error:
            if not is_gone(error):
                log.debug("an abandoned upload to s3://%s/%s can't be aborted", bucket, key)
        except BotoCoreError as error:
            log.debug("an abandoned upload to s3://%s/%s can't be aborted (%s)", bucket, key, type(error).__name__)
            return
        else:
            log.info("took back an upload to s3://%s/%s that was never finished", bucket, key)


def is_gone(error: Exception) -> bool:
    """Whether S3 says that there is no such upload: it was completed, or aborted by another process."""
    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") == "NoSuchUpload"
