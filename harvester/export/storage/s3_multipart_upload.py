"""A multipart upload, begun by `s3.py`: sent part by part, then completed or aborted. Invisible until completed.

boto3's `upload_fileobj` is not used, because it lacks three things: the ledger is read only in the calling thread, a
refused part stops the export immediately, and whatever ends the export, including Ctrl-C and SIGTERM, aborts the
upload. Only a killed process leaves parts, which are invisible but charged for: the next export to that key removes
them, as does a lifecycle rule `AbortIncompleteMultipartUpload` of the bucket.

An open upload does not say whose it is, or whether its sender lives. So all uploads to the exported key are aborted
that were open before this export began and still are when it has published. Their sender is dead, or would replace the
object by an older state of the ledger; a living one ends with an error, and nothing is lost. This needs neither a clock
nor a local file, and works from any machine.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from harvester.errors import StorageUnavailable
from harvester.export.storage.destination import DraftFile, ExistingFile, Meter, overtaken
from harvester.export.storage.s3_client import CONNECTIONS, as_header, crc32, wants_checksums

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

    _Sent: TypeAlias = tuple[CompletedPartTypeDef, bytes]
    Receipt: TypeAlias = Sequence[_Sent]

log = logging.getLogger(__name__)

MIB = 1 << 20
PART_BYTES = 12 * MIB
"""The smallest size of a part; S3 refuses less than 5 MiB for all but the last."""
MAX_PARTS = 10_000
IN_FLIGHT_BYTES = 36 * MIB
"""Most bytes under way, besides the part being filled; a single part may be larger."""

OpenUpload: TypeAlias = tuple[str, str]
"""Key and upload id."""
Condition: TypeAlias = Mapping[str, Any]
"""Arguments for the operations that create an object."""
ANYTHING: Condition = {}
NOTHING: Condition = {"IfNoneMatch": "*"}


class Upload:
    """A multipart upload. Memory: IN_FLIGHT_BYTES, or one part if that is more, and the one being filled.

    One process may begin it, another send the parts, and another complete it: `upload_ref` and what `send` returns can
    be passed on. A part that is sent twice replaces itself.
    """

    def __init__(self, client: S3Client, upload_ref: dict[str, Any]) -> None:
        self._client = client
        self._checked = wants_checksums(client)
        self.upload_ref = upload_ref
        """Bucket, key and upload id, as arguments for the client."""

    def send(self, parts: Iterable[bytearray], size: int, free: list[bytearray]) -> DraftFile:
        """Send the parts, each of `size` bytes except the last, several at a time, while the next one is filled.

        Each part is added to `free` after use.
        """
        receipt: list[_Sent] = []
        meter = Meter()
        width = min(CONNECTIONS, max(1, IN_FLIGHT_BYTES // size))
        under_way: deque[tuple[bytearray, Future[_Sent], Future[None]]] = deque()

        def finish_first() -> None:
            part, sent, counted = under_way.popleft()
            receipt.append(sent.result())
            counted.result()
            free.append(part)

        with (
            ThreadPoolExecutor(width, thread_name_prefix="export") as senders,
            ThreadPoolExecutor(1, thread_name_prefix="export-meter") as counter,
        ):
            for number, part in enumerate(parts, 1):
                under_way.append((part, senders.submit(self._send_part, number, part), counter.submit(meter.add, part)))
                if len(under_way) == width:
                    finish_first()
            while under_way:
                finish_first()
        return DraftFile(meter.published("s3://{Bucket}/{Key}".format_map(self.upload_ref)), receipt)

    def complete(self, receipt: Receipt, condition: Condition) -> None:
        """Complete the upload. Raises StorageUnavailable if S3's checksum differs from the one sent."""
        parts = [completed for completed, _ in receipt]
        complete = self._client.complete_multipart_upload
        answer = conditionally(complete, condition, **self.upload_ref, MultipartUpload={"Parts": parts})
        # The checksum of the parts' checksums; some stores return that of the whole object, or none.
        stored = answer.get("ChecksumCRC32", "")
        if stored.endswith(f"-{len(parts)}") and self._checked:
            _compare(stored.rpartition("-")[0], crc32(b"".join(checksum for _, checksum in receipt)))

    def abort(self) -> bool:
        """Abort the upload. Returns whether it was gone already: then it may have been completed."""
        try:
            self._client.abort_multipart_upload(**self.upload_ref)
        except Exception as error:  # noqa: BLE001 (what went wrong before is worth more to the user than this)
            return _is_gone(error)
        return False

    def _send_part(self, number: int, part: bytearray) -> _Sent:
        checksum = crc32(part)
        sent: dict[str, Any] = {"ChecksumCRC32": as_header(checksum)} if self._checked else {}
        # botocore accepts a bytearray, contrary to its stubs, and sends it whole; it sends bytes in small pieces.
        body: Any = part
        answer = self._client.upload_part(**self.upload_ref, PartNumber=number, Body=body, **sent)
        completed: CompletedPartTypeDef = {"PartNumber": number, "ETag": answer["ETag"]}
        if stored := answer.get("ChecksumCRC32"):
            _compare(stored, checksum)
            completed["ChecksumCRC32"] = stored
        return completed, checksum


def in_place_of(existing: ExistingFile | None) -> Condition:
    """Return the condition that this object, or nothing, is there; no condition if the account may not read."""
    if existing is None:
        return NOTHING
    return ANYTHING if existing.version is None else {"IfMatch": f'"{existing.version}"'}


def version(etag: str) -> str:
    """Return an ETag without quotation marks, which some stores add to some answers."""
    return etag.strip('"')


def conditionally(send: Callable[..., Any], condition: Condition, **arguments: Any) -> Any:
    """Call an operation that creates an object, on a condition. Raises Overtaken if it does not hold.

    Stores without conditions answer 501, and get the request without one; those that ignore conditions can't be
    recognised. So each writer also reads before and after it, which leaves a gap of some milliseconds on such a store.
    """
    try:
        return send(**arguments, **condition)
    except ClientError as error:
        if not condition:
            raise
        code = error.response.get("Error", {}).get("Code")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == 501 or code == "NotImplemented":
            return send(**arguments)
        gone = "IfMatch" in condition and code in ("NoSuchKey", "404")
        if status == 412 or code in ("PreconditionFailed", "ConditionalRequestConflict") or gone:
            raise overtaken(f"s3://{arguments['Bucket']}/{arguments['Key']}") from None
        raise


def _compare(stored: str, sent: bytes) -> None:
    if stored != as_header(sent):
        raise StorageUnavailable(
            f"S3 stored something else than was sent (CRC32 {stored[:40]}, not {as_header(sent)}).",
            state="The ledger was only read.",
            next_step="Export again.",
        )


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
            if not _is_gone(error):
                log.debug("an abandoned upload to s3://%s/%s can't be aborted", bucket, key)
        except BotoCoreError as error:
            log.debug("an abandoned upload to s3://%s/%s can't be aborted (%s)", bucket, key, type(error).__name__)
            return
        else:
            log.info("took back an upload to s3://%s/%s that was never finished", bucket, key)


def _is_gone(error: Exception) -> bool:
    """Whether S3 says that there is no such upload: it was completed, or aborted by another process."""
    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") == "NoSuchUpload"


def part_size(expected_bytes: int, least: int = PART_BYTES) -> int:
    """Return the bytes of a part, so that one and a half times the expected size fits S3's ten thousand parts.

    It is the same for the whole object: some stores want all parts to have the same size.
    """
    needed = -(-expected_bytes * 3 // 2 // MAX_PARTS)
    return max(least, -(-needed // MIB) * MIB)


def rechunk(chunks: Iterable[bytes], size: int, free: list[bytearray] | None = None) -> Iterator[bytearray]:
    """Yield the bytes in pieces of exactly `size`, the last one shorter; one empty piece if there are none.

    Used pieces that are added to `free` are filled again: page faults of new memory cost more than filling it.
    """
    piece, filled, cuts = bytearray(), 0, 0
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            taken = rest[: size - filled]
            if filled == len(piece):
                piece += taken
            else:
                # Through a view, because a bytearray would copy the bytes once more.
                with memoryview(piece) as view:
                    view[filled : filled + len(taken)] = taken
            filled += len(taken)
            rest = rest[len(taken) :]
            if filled == size:
                yield piece
                piece, filled, cuts = free.pop() if free else bytearray(), 0, cuts + 1
    if filled or not cuts:
        del piece[filled:]
        yield piece
