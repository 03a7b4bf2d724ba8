"""One multipart upload: begun, sent part by part, and then completed or taken back. Until then nothing is seen of it.

The parts are sent by this module and not by boto3's `upload_fileobj`, for three things it does not give: the
ledger is read in the calling thread alone, a refused part stops the export at once and not at the end of the
ledger, and whatever ends the export, Ctrl-C and SIGTERM included, aborts the upload. Only a killed process
leaves parts behind: the next export to that key sweeps them (see s3_sweep), and so does a lifecycle rule
`AbortIncompleteMultipartUpload` on the bucket.
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
"""The least size of a part; S3 itself refuses less than 5 MiB for any but the last."""
MAX_PARTS = 10_000
IN_FLIGHT_BYTES = 36 * MIB
"""Under way at the same time, at most, besides the part being filled; a single part may be larger."""


class Buffers:
    """Memory for parts, used again: fresh memory comes page by page, which costs more than to fill it."""

    def __init__(self) -> None:
        self._free: list[bytearray] = []

    def take(self, size: int) -> bytearray:
        return self._free.pop() if self._free else bytearray(size)

    def give_back(self, buffer: bytearray) -> None:
        self._free.append(buffer)


class Upload:
    """See the module. Memory: IN_FLIGHT_BYTES, or one part where that is more, and the one being filled.

    Who sends the parts need not be who began the upload, nor who completes it: `which` and the receipt can be handed
    on. A part that is sent twice takes the place of itself.
    """

    def __init__(self, client: S3Client, which: dict[str, Any]) -> None:
        self._client = client
        self._checked = wants_checksums(client)
        self.which = which
        """Its bucket, key and id, as the client wants them."""

    @classmethod
    def begin(cls, client: S3Client, bucket: str, key: str, headers: dict[str, Any]) -> Self:
        # S3 refuses parts whose checksum it was not told to expect.
        expected: dict[str, Any] = {"ChecksumAlgorithm": "CRC32"} if wants_checksums(client) else {}
        begun = client.create_multipart_upload(Bucket=bucket, Key=key, **headers, **expected)
        return cls(client, {"Bucket": bucket, "Key": key, "UploadId": begun["UploadId"]})

    def send(self, parts: Iterable[bytearray], size: int, meter: Meter, buffers: Buffers) -> Receipt:
        """Send the parts, of `size` bytes but the last, several at a time; the next one is filled meanwhile.

        `meter` sees them in order, in a thread of its own. Each part is given back to `buffers` when it is done with.
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
        """Let the object appear. Raises StorageUnavailable where S3 counts another checksum than was sent."""
        parts = [completed for completed, _ in receipt]
        answer = conditionally(
            partial(self._client.complete_multipart_upload, **self.which, MultipartUpload={"Parts": parts}), condition
        )
        # Of the parts' checksums; some stores answer with that of the whole object, or with none.
        stored = answer.get("ChecksumCRC32", "")
        if stored.endswith(f"-{len(parts)}") and self._checked:
            _compare(stored.rpartition("-")[0], crc32(b"".join(checksum for _, checksum in receipt)))

    def abort(self) -> bool:
        """Take the upload back. Whether it was gone already: then it may have been completed."""
        try:
            self._client.abort_multipart_upload(**self.which)
        except Exception as error:  # noqa: BLE001 (what went wrong before is worth more to the user than this)
            return is_gone(error)
        return False

    def _send_part(self, number: int, part: bytearray) -> _Sent:
        checksum = crc32(part)
        sent: dict[str, Any] = {"ChecksumCRC32": as_header(checksum)} if self._checked else {}
        # botocore takes a bytearray, though its stubs don't say so, and sends it whole; bytes it sends in small pieces.
        body: Any = part
        answer = self._client.upload_part(**self.which, PartNumber=number, Body=body, **sent)
        completed: CompletedPartTypeDef = {"PartNumber": number, "ETag": answer["ETag"]}
        if stored := answer.get("ChecksumCRC32"):
            _compare(stored, checksum)
            completed["ChecksumCRC32"] = stored
        return completed, checksum


@dataclass(frozen=True, slots=True)
class _Part:
    """A part under way: being sent, and being counted."""

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
    """Bytes to a part, so that half as much again as expected still fits S3's ten thousand parts.

    It is chosen once for the whole object: some stores that speak S3 want all parts alike.
    """
    needed = -(-expected_bytes * 3 // 2 // MAX_PARTS)
    return max(least, -(-needed // MIB) * MIB)


def cut(chunks: Iterable[bytes], size: int, buffer_of: Callable[[int], bytearray] = bytearray) -> Iterator[bytearray]:
    """The same bytes in pieces of exactly `size`, the last one shorter; one empty piece for nothing.

    Each piece lies in a buffer that `buffer_of` gave, of `size` bytes.
    """
    piece, filled, cuts = buffer_of(size), 0, 0
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            taken = rest[: size - filled]
            # Through a view, for a bytearray would copy what it is given once more.
            with memoryview(piece) as view:
                view[filled : filled + len(taken)] = taken
            filled += len(taken)
            rest = rest[len(taken) :]
            if filled == size:
                yield piece
                piece, filled, cuts = buffer_of(size), 0, cuts + 1
    if filled or not cuts:
        del piece[filled:]
        yield piece
