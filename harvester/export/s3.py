"""S3 objects, streamed in parts: the object appears, or changes, when the upload is completed.

The parts are sent by this module and not by boto3's `upload_fileobj`, for three things it does not give: the
ledger is read in the calling thread alone, a refused part stops the export at once and not at the end of the
ledger, and whatever ends the export, Ctrl-C and SIGTERM included, aborts the upload. Only a killed process
leaves parts behind: the next export to that key sweeps them (see s3_uploads), and so does a lifecycle rule
`AbortIncompleteMultipartUpload` on the bucket.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harvester.errors import ConfigError, HarvesterError
from harvester.export.s3_errors import explained, is_absence
from harvester.export.target import Meter, Published

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

log = logging.getLogger(__name__)

MIB = 1 << 20
PART_BYTES = 8 * MIB
"""The least size of a part; S3 itself refuses less than 5 MiB for any but the last."""
MOST_PARTS = 10_000
IN_FLIGHT_BYTES = 32 * MIB
"""Under way at the same time, at most, besides the part being filled; a single part may be larger."""
_READ_BYTES = MIB
_ATTEMPTS = 4
_CONNECT_SECONDS = 5
_READ_SECONDS = 60


class S3Target:
    """One object. Credentials and endpoint come from AWS's usual chain, the region too where it is None.

    `private` is what S3 gives an object unasked, so it is not sent as an ACL: a bucket with ACLs switched
    off, as new buckets are, refuses even that one.
    """

    def __init__(
        self,
        bucket: str,
        key: str,
        *,
        region: str | None = None,
        acl: str = "private",
        part_bytes: int = PART_BYTES,
    ) -> None:
        self.bucket = bucket
        self.key = key
        self.region = region
        self.acl = acl
        self.part_bytes = part_bytes

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    def publish(self, chunks: Iterable[bytes], *, content_type: str, expected_bytes: int = 0) -> Published:
        """See Target. One request where all fits one part, a multipart upload otherwise."""
        from harvester.export.s3_uploads import abort_all, open_uploads

        meter = Meter()
        size = part_size(expected_bytes, self.part_bytes)
        parts: Iterator[bytes] = cut(meter.over(chunks), size)
        headers: dict[str, Any] = {"ContentType": content_type}
        if self.acl != "private":
            headers["ACL"] = self.acl
        with _connected(self.uri, self.region) as client:
            begun_before = open_uploads(client, self.bucket, self.key)
            first, second = next(parts), next(parts, None)
            if second is None:
                client.put_object(Bucket=self.bucket, Key=self.key, Body=first, **headers)
            else:
                parts = itertools.chain((first, second), parts)
                del first, second  # freed as they are sent, like the others
                self._multipart(client, parts, meter, max(1, IN_FLIGHT_BYTES // size), headers)
            abort_all(client, self.bucket, self.key, begun_before)
        return meter.published(self.uri)

    def read(self) -> Iterator[bytes]:
        """See Target."""
        from botocore.exceptions import ClientError

        with _connected(self.uri, self.region) as client:
            try:
                body = client.get_object(Bucket=self.bucket, Key=self.key)["Body"]
            except ClientError as error:
                if is_absence(error):
                    raise FileNotFoundError(self.uri) from error
                raise
            with body:
                yield from body.iter_chunks(_READ_BYTES)

    def beside(self, suffix: str) -> S3Target:
        """See Target."""
        return S3Target(self.bucket, self.key + suffix, region=self.region, acl=self.acl, part_bytes=self.part_bytes)

    def _multipart(
        self, client: S3Client, parts: Iterable[bytes], meter: Meter, width: int, headers: dict[str, Any]
    ) -> None:
        upload = client.create_multipart_upload(
            Bucket=self.bucket, Key=self.key, **headers, **_checksum_wanted(client)
        )["UploadId"]
        try:
            done = self._send(client, upload, parts, width)
            client.complete_multipart_upload(
                Bucket=self.bucket, Key=self.key, UploadId=upload, MultipartUpload={"Parts": done}
            )
        except BaseException as error:
            gone = self._abort(client, upload)
            if not (gone and isinstance(error, Exception) and self._stands(meter)):
                raise
            log.info("%s: the answer to its completion was lost, but the object stands", self.uri)

    def _abort(self, client: S3Client, upload: str) -> bool:
        """Take the upload back. Whether it was gone already: then it may have been completed."""
        from harvester.export.s3_uploads import is_gone

        try:
            client.abort_multipart_upload(Bucket=self.bucket, Key=self.key, UploadId=upload)
        except Exception as error:  # noqa: BLE001 (what went wrong before is worth more to the user than this)
            return is_gone(error)
        return False

    def _stands(self, meter: Meter) -> bool:
        """Whether the object is, byte for byte, what was sent."""
        there = Meter()
        try:
            there.drain(self.read())
        except (HarvesterError, OSError):
            return False
        return (there.bytes, there.sha256) == (meter.bytes, meter.sha256)

    def _send(self, client: S3Client, upload: str, parts: Iterable[bytes], width: int) -> list[CompletedPartTypeDef]:
        """Send the parts, `width` of them at a time; the next one is filled meanwhile."""
        done: list[CompletedPartTypeDef] = []
        under_way: deque[Future[CompletedPartTypeDef]] = deque()
        with ThreadPoolExecutor(width, thread_name_prefix="export") as pool:
            for number, part in enumerate(parts, 1):
                if len(under_way) == width:
                    done.append(under_way.popleft().result())
                under_way.append(pool.submit(self._send_part, client, upload, number, part))
            done.extend(future.result() for future in under_way)
        return done

    def _send_part(self, client: S3Client, upload: str, number: int, part: bytes) -> CompletedPartTypeDef:
        answer = client.upload_part(
            Bucket=self.bucket,
            Key=self.key,
            UploadId=upload,
            PartNumber=number,
            Body=part,
            **_checksum_wanted(client),
        )
        completed: CompletedPartTypeDef = {"PartNumber": number, "ETag": answer["ETag"]}
        if checksum := answer.get("ChecksumCRC32"):
            completed["ChecksumCRC32"] = checksum
        return completed


@contextmanager
def _connected(uri: str, region: str | None) -> Iterator[S3Client]:
    """A client that gives up soon, and gives its connections back at the end; its errors are the house's."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        user_agent_extra="harvester",
    )
    with explained(uri):
        try:
            # boto3's default session keeps the credentials it found first: a long-lived process must not.
            client: S3Client = boto3.session.Session().client("s3", region_name=region, config=config)
        except ValueError:
            # The address itself is not repeated, nor is the cause, which does: it may hold a password.
            what = "AWS_ENDPOINT_URL or export.region is not valid."
            raise ConfigError(what, state="Nothing was written.") from None
        try:
            yield client
        finally:
            client.close()


def part_size(expected_bytes: int, least: int = PART_BYTES) -> int:
    """Bytes to a part, so that half as much again as expected still fits S3's ten thousand parts.

    It is chosen once for the whole object: some stores that speak S3 want all parts alike.
    """
    needed = -(-expected_bytes * 3 // 2 // MOST_PARTS)
    return max(least, -(-needed // MIB) * MIB)


def cut(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of exactly `size`, the last one shorter; one empty piece for nothing."""
    held = bytearray()
    cuts = 0
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            with memoryview(held) as view:
                piece = bytes(view[:size])
            del held[:size]
            cuts += 1
            yield piece
    if held or not cuts:
        yield bytes(held)


def _checksum_wanted(client: S3Client) -> dict[str, Any]:
    """For the upload and each part alike: S3 refuses parts whose checksum it was not told to expect."""
    # The stubs do not know this attribute of botocore's Config.
    wanted = getattr(client.meta.config, "request_checksum_calculation", None) == "when_supported"
    return {"ChecksumAlgorithm": "CRC32"} if wanted else {}
