"""A multipart upload: begun, sent part by part, then completed or aborted. It is invisible until completed.

boto3's `upload_fileobj` is not used, because it lacks three things: the ledger is read only in the calling thread, a
refused part stops the export immediately, and whatever ends the export, including Ctrl-C and SIGTERM, aborts the
upload. Only a killed process leaves parts: the next export to that key removes them (see s3_sweep), as does a lifecycle
rule `AbortIncompleteMultipartUpload` of the bucket.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from harvester.errors import StorageUnavailable
from harvester.export.storage.destination import Meter
from harvester.export.storage.s3_client import CONNECTIONS, as_header, crc32, wants_checksums
from harvester.export.storage.s3_condition import Condition, conditionally
from harvester.export.storage.s3_sweep import is_gone

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

    _Sent: TypeAlias = tuple[CompletedPartTypeDef, bytes]
    Receipt: TypeAlias = Sequence[_Sent]

MIB = 1 << 20
PART_BYTES = 12 * MIB
"""The smallest size of a part; S3 refuses less than 5 MiB for all but the last."""
MAX_PARTS = 10_000
IN_FLIGHT_BYTES = 36 * MIB
"""Most bytes under way, besides the part being filled; a single part may be larger."""


class Buffers:
    """Reusable memory for parts: page faults of new memory cost more than filling it."""

    def __init__(self) -> None:
        self._free: list[bytearray] = []

    def take(self) -> bytearray:
        """Return a used buffer, with its old content, or a new and empty one."""
        return self._free.pop() if self._free else bytearray()

    def give_back(self, buffer: bytearray) -> None:
        """Return a buffer for reuse."""
        self._free.append(buffer)


class Upload:
    """A multipart upload. Memory: IN_FLIGHT_BYTES, or one part if that is more, and the one being filled.

    One process may begin it, another send the parts, and another complete it: `upload_ref` and the receipt can be
    passed on. A part that is sent twice replaces itself.
    """

    def __init__(self, client: S3Client, upload_ref: dict[str, Any]) -> None:
        self._client = client
        self._checked = wants_checksums(client)
        self.upload_ref = upload_ref
        """Bucket, key and upload id, as arguments for the client."""

    @classmethod
    def begin(cls, client: S3Client, bucket: str, key: str, headers: dict[str, Any]) -> Self:
        """Begin a multipart upload to a key, with the headers of the object."""
        # S3 refuses parts with a checksum that was not announced.
        expected: dict[str, Any] = {"ChecksumAlgorithm": "CRC32"} if wants_checksums(client) else {}
        begun = client.create_multipart_upload(Bucket=bucket, Key=key, **headers, **expected)
        return cls(client, {"Bucket": bucket, "Key": key, "UploadId": begun["UploadId"]})

    def send(self, parts: Iterable[bytearray], size: int, meter: Meter, buffers: Buffers) -> Receipt:
        """Send the parts, each of `size` bytes except the last, several at a time, while the next one is filled.

        `meter` gets them in order, in a thread of its own. Each part is returned to `buffers` after use.
        """
        receipt: list[_Sent] = []
        width = min(CONNECTIONS, max(1, IN_FLIGHT_BYTES // size))
        under_way: deque[_Part] = deque()
        with (
            ThreadPoolExecutor(width, thread_name_prefix="export") as senders,
            ThreadPoolExecutor(1, thread_name_prefix="export-meter") as counter,
        ):
            for number, part in enumerate(parts, 1):
                sent = senders.submit(self._send_part, number, part)
                under_way.append(_Part(part, sent, counter.submit(meter.add, part)))
                if len(under_way) == width:
                    receipt.append(_finished(under_way.popleft(), buffers))
            while under_way:
                receipt.append(_finished(under_way.popleft(), buffers))
        return receipt

    def complete(self, receipt: Receipt, condition: Condition) -> None:
        """Complete the upload. Raises StorageUnavailable if S3's checksum differs from the one sent."""
        parts = [completed for completed, _ in receipt]
        answer = conditionally(
            partial(self._client.complete_multipart_upload, **self.upload_ref, MultipartUpload={"Parts": parts}),
            condition,
        )
        # The checksum of the parts' checksums; some stores return that of the whole object, or none.
        stored = answer.get("ChecksumCRC32", "")
        if stored.endswith(f"-{len(parts)}") and self._checked:
            _compare(stored.rpartition("-")[0], crc32(b"".join(checksum for _, checksum in receipt)))

    def abort(self) -> bool:
        """Abort the upload. Returns whether it was gone already: then it may have been completed."""
        try:
            self._client.abort_multipart_upload(**self.upload_ref)
        except Exception as error:  # noqa: BLE001 (what went wrong before is worth more to the user than this)
            return is_gone(error)
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


@dataclass(frozen=True, slots=True)
class _Part:
    """A part that is being sent and hashed."""

    data: bytearray
    sent: Future[_Sent]
    counted: Future[None]


def _finished(part: _Part, buffers: Buffers) -> _Sent:
    sent = part.sent.result()
    part.counted.result()
    buffers.give_back(part.data)
    return sent


def _compare(stored: str, sent: bytes) -> None:
    if stored != as_header(sent):
        raise StorageUnavailable(
            f"S3 stored something else than was sent (CRC32 {stored[:40]}, not {as_header(sent)}).",
            state="The ledger was only read.",
            next_step="Export again.",
        )


def part_size(expected_bytes: int, least: int = PART_BYTES) -> int:
    """Return the bytes of a part, so that one and a half times the expected size fits S3's ten thousand parts.

    It is the same for the whole object: some stores want all parts to have the same size.
    """
    needed = -(-expected_bytes * 3 // 2 // MAX_PARTS)
    return max(least, -(-needed // MIB) * MIB)


def rechunk(chunks: Iterable[bytes], size: int, buffer_of: Callable[[], bytearray] = bytearray) -> Iterator[bytearray]:
    """Yield the bytes in pieces of exactly `size`, the last one shorter; one empty piece if there are none.

    Each piece is in a buffer from `buffer_of`, which is empty, and grows with what it gets, or has `size` bytes.
    """
    piece, filled, cuts = buffer_of(), 0, 0
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
                piece, filled, cuts = buffer_of(), 0, cuts + 1
    if filled or not cuts:
        del piece[filled:]
        yield piece
