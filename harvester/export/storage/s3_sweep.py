"""Uploads that were begun and never ended: invisible, but paid for. A killed export leaves one behind.

Nothing in an open upload tells whose it is or whether its sender lives. So the rule asks neither: uploads to the
very key that is exported, begun before this export and still open when it has published, are aborted. Their
sender is dead, or it would put an older state of the ledger in place of the newer one that now stands there; a
living one that is overtaken ends with an error, and nothing is lost. The first to finish is left alone.
No clock and no note on a disk is needed, and it works from any machine.
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
    """The uploads to exactly this key that are open now, or to any key that begins so where it is a folder's.

    None where the account may not list them.
    """
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key)
    try:
        found = [(upload["Key"], upload["UploadId"]) for page in pages for upload in page.get("Uploads", [])]
    except ClientError as error:
        # Not this step's to judge: where the bucket is the problem, publishing says so.
        code = error.response.get("Error", {}).get("Code", "unknown")
        log.debug("open uploads to s3://%s/%s can't be listed (%s): none is swept", bucket, key, code)
        return []
    return [upload for upload in found if folder or upload[0] == key]


def abort_all(client: S3Client, bucket: str, uploads: Iterable[OpenUpload]) -> None:
    """Abort those that are still open. Failing is no fault of the export: the next one tries again."""
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
    """Whether S3 says that there is no such upload: it was completed, or aborted by somebody else."""
    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") == "NoSuchUpload"
