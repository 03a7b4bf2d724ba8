"""S3 objects, uploaded in parts: the object appears, or changes, when the upload is completed."""

from __future__ import annotations

import io
import itertools
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from harvester.errors import HarvesterError, Overtaken
from harvester.export.manifest import SUFFIX
from harvester.export.storage.destination import Destination, DraftFile, ExistingFile, Meter, PublishedFile, overtaken
from harvester.export.storage.s3_client import as_header, connected, crc32, wants_checksums
from harvester.export.storage.s3_errors import explained, is_absence, is_refusal
from harvester.export.storage.s3_multipart_upload import (
    ANYTHING,
    MIB,
    PART_BYTES,
    Condition,
    Upload,
    abort_all,
    conditionally,
    in_place_of,
    open_uploads,
    part_size,
    rechunk,
    version,
)
from harvester.export.storage.s3_options import S3Options

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

log = logging.getLogger(__name__)

_READ_BYTES = MIB
_SEEK_BUFFER_BYTES = 4 * MIB
_MANIFEST_ATTEMPTS = 10
"""Attempts to write the manifest while other exports replace theirs."""


class S3Target(Destination):
    """One object. Credentials and endpoint come from AWS's usual chain."""

    def __init__(self, bucket: str, key: str, options: S3Options, *, part_bytes: int = PART_BYTES) -> None:
        self.bucket, self.key, self.options, self.part_bytes = bucket, key, options, part_bytes
        self.uri, self.name = f"s3://{bucket}/{key}", key.rpartition("/")[2]

    def publish(
        self, chunks: Iterable[bytes], *, content_type: str, condition: Condition = ANYTHING, expected_bytes: int = 0
    ) -> PublishedFile:
        """See Destination. One request if all fits one part, otherwise a multipart upload.

        Raises Overtaken if the condition does not hold.
        """
        size = part_size(expected_bytes, self.part_bytes)
        used: list[bytearray] = []
        with connected(self.uri, self.options.region) as client:
            begun_before = open_uploads(client, self.bucket, self.key)
            pieces = rechunk(chunks, size, used)
            first = next(pieces)
            if len(first) < size:
                self._check_again(condition)
                published = self._put(client, first, content_type, condition)
            else:
                upload = self.begin(client, content_type)
                try:
                    written = upload.send(itertools.chain((first,), pieces), size, used)
                    self._check_again(condition)
                except BaseException:
                    upload.abort()
                    raise
                self.finish(upload, written, condition)
                published = written.published
            abort_all(client, self.bucket, begun_before)
        return published

    def publish_with_manifest(
        self,
        chunks: Iterable[bytes],
        manifest_of: Callable[[PublishedFile], bytes],
        *,
        content_type: str,
        replacing: ExistingFile | None,
        expected_bytes: int,
    ) -> PublishedFile:
        published = self.publish(
            chunks, content_type=content_type, condition=in_place_of(replacing), expected_bytes=expected_bytes
        )
        try:
            self._publish_manifest(manifest_of(published), self._version_of(published))
        except Overtaken:
            raise
        except HarvesterError as error:
            error.state = "The data is published; its manifest is not, or is the one before."
            raise
        return published

    def _publish_manifest(self, manifest: bytes, mine: Hashable) -> None:
        """Write the manifest next to this object, unless another export has replaced the object.

        The old manifest is read first, then the object, and then the manifest is replaced on condition that it is still
        the old one: so it never replaces that of a newer object.
        """
        beside = self.beside(SUFFIX)
        for _ in range(_MANIFEST_ATTEMPTS):
            before = beside.existing()
            self._check_still(mine)
            try:
                beside.publish([manifest], content_type="application/json", condition=in_place_of(before))
            except Overtaken:
                continue  # the next read of the object says by whom
            self._check_still(mine)
            return
        raise overtaken(self.uri)

    def _version_of(self, published: PublishedFile) -> Hashable:
        """Return the version as the store shows it now, which may differ from its answer; None if it can't be read."""
        existing = self.existing()
        if existing is None or (existing.version and existing.bytes != published.bytes):
            raise overtaken(self.uri)
        return existing.version

    def _check_still(self, mine: Hashable) -> None:
        existing = self.existing()
        if existing is None or (mine and existing.version and existing.version != mine):
            raise overtaken(self.uri)

    def _check_again(self, condition: Condition) -> None:
        """Raise Overtaken if the condition does not hold any more: not every store heeds it."""
        if condition and in_place_of(self.existing()) != condition:
            raise overtaken(self.uri)

    def existing(self) -> ExistingFile | None:
        from botocore.exceptions import ClientError

        with connected(self.uri, self.options.region) as client:
            try:
                about = client.head_object(Bucket=self.bucket, Key=self.key)
            except ClientError as error:
                if is_absence(error):
                    return None
                if is_refusal(error):
                    # Writing may be allowed nevertheless; if not, the answer to that says more.
                    return ExistingFile(None, -1)
                raise
        # Not every store sends it. Without it, no part of a folder counts as unchanged.
        changed_at = about["LastModified"].timestamp() if "LastModified" in about else 0.0
        return ExistingFile(version(about["ETag"]), about["ContentLength"], about.get("Metadata", {}), changed_at)

    def read(self) -> Iterator[bytes]:
        from botocore.exceptions import ClientError

        with connected(self.uri, self.options.region) as client:
            try:
                body = client.get_object(Bucket=self.bucket, Key=self.key)["Body"]
            except ClientError as error:
                if is_absence(error):
                    raise FileNotFoundError(self.uri) from error
                raise
            with body:
                yield from body.iter_chunks(_READ_BYTES)

    def open(self) -> BinaryIO:
        return io.BufferedReader(_Ranges(self), _SEEK_BUFFER_BYTES)

    def beside(self, suffix: str) -> S3Target:
        options = replace(self.options, metadata={})
        return S3Target(self.bucket, self.key + suffix, options, part_bytes=self.part_bytes)

    def remove(self) -> None:
        with connected(self.uri, self.options.region) as client:
            client.delete_object(Bucket=self.bucket, Key=self.key)

    def _put(self, client: S3Client, data: bytearray, content_type: str, condition: Condition) -> PublishedFile:
        meter = Meter()
        meter.add(data)
        checksum: dict[str, Any] = {"ChecksumCRC32": as_header(crc32(data))} if wants_checksums(client) else {}
        arguments = {"Bucket": self.bucket, "Key": self.key, "Body": data, **self.options.headers(content_type)}
        published = meter.published(self.uri)
        try:
            answer = conditionally(client.put_object, condition, **arguments, **checksum)
        except Overtaken:
            # By this request, if its answer was lost and boto3 retried.
            if not self._stands(published):
                raise
            return published
        return replace(published, version=version(answer["ETag"]))

    def begin(self, client: S3Client, content_type: str) -> Upload:
        """Begin an upload, invisible before `finish`."""
        place: dict[str, Any] = {"Bucket": self.bucket, "Key": self.key}
        # S3 refuses parts with a checksum that was not announced.
        expected: dict[str, Any] = {"ChecksumAlgorithm": "CRC32"} if wants_checksums(client) else {}
        begun = client.create_multipart_upload(**place, **self.options.headers(content_type), **expected)
        return Upload(client, place | {"UploadId": begun["UploadId"]})

    def finish(self, upload: Upload, written: DraftFile, condition: Condition = ANYTHING) -> None:
        """Complete the upload: the object appears."""
        try:
            upload.complete(written.receipt, condition)
        except BaseException as error:
            gone = upload.abort() or isinstance(error, Overtaken)
            if not (gone and isinstance(error, Exception) and self._stands(written.published)):
                raise
            log.info("%s: the answer to its completion was lost, but the object stands", self.uri)

    def _stands(self, sent: PublishedFile) -> bool:
        """Whether the object has exactly the bytes that were sent."""
        there = Meter()
        try:
            there.drain(self.read())
        except (HarvesterError, OSError):
            return False
        return (there.bytes, there.sha256) == (sent.bytes, sent.sha256)


class _Ranges(io.RawIOBase):
    """A seekable object, read by range requests."""

    def __init__(self, target: S3Target) -> None:
        self._target = target
        self._context = connected(target.uri, target.options.region, ranges=True)
        self._client = self._context.__enter__()
        with explained(target.uri):
            about = self._client.head_object(Bucket=target.bucket, Key=target.key)
        self._length = about["ContentLength"]
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._length}[whence]
        self._place = max(0, base + offset)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        end = min(self._place + len(buffer), self._length)
        if self._place >= end:
            return 0
        wanted = f"bytes={self._place}-{end - 1}"
        with explained(self._target.uri):
            answer = self._client.get_object(Bucket=self._target.bucket, Key=self._target.key, Range=wanted)
            data = answer["Body"].read()
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._context.__exit__(None, None, None)
        super().close()
