"""One multipart upload: begun, sent part by part, and then completed or taken back. Until then nothing is seen of it.

The parts are sent by this module and not by boto3's `upload_fileobj`, for three things it does not give: the
ledger is read in the calling thread alone, a refused part stops the export at once and not at the end of the
ledger, and whatever ends the export, Ctrl-C and SIGTERM included, aborts the upload. Only a killed process
leaves parts behind: the next export to that key sweeps them (see s3_sweep), and so does a lifecycle rule
`AbortIncompleteMultipartUpload` on the bucket.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from harvester.errors import StorageUnavailable
from harvester.export.s3_client import CONNECTIONS, as_header, crc32, wants_checksums
from harvester.export.s3_sweep import is_gone

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

MIB = 1 << 20
PART_BYTES = 8 * MIB
"""The least size of a part; S3 itself refuses less than 5 MiB for any but the last."""
MOST_PARTS = 10_000
IN_FLIGHT_BYTES = 32 * MIB
"""Under way at the same time, at most, besides the part being filled; a single part may be larger."""


class Upload:
    """See the module. Memory: IN_FLIGHT_BYTES, or one part where that is more, and the one being filled."""

    def __init__(self, client: S3Client, bucket: str, key: str, headers: dict[str, Any]) -> None:
        self._client = client
        self._checked = wants_checksums(client)
        # S3 refuses parts whose checksum it was not told to expect.
        expected: dict[str, Any] = {"ChecksumAlgorithm": "CRC32"} if self._checked else {}
        begun = client.create_multipart_upload(Bucket=bucket, Key=key, **headers, **expected)
        self._which: dict[str, Any] = {"Bucket": bucket, "Key": key, "UploadId": begun["UploadId"]}
        self._parts: list[CompletedPartTypeDef] = []
        self._checksums: list[bytes] = []

    def send(self, parts: Iterable[bytes], size: int) -> None:
        """Send the parts, of `size` bytes but the last, several at a time; the next one is filled meanwhile."""
        width = min(CONNECTIONS, max(1, IN_FLIGHT_BYTES // size))
        under_way: deque[Future[CompletedPartTypeDef]] = deque()
        with ThreadPoolExecutor(width, thread_name_prefix="export") as pool:
            for number, part in enumerate(parts, 1):
                if len(under_way) == width:
                    self._parts.append(under_way.popleft().result())
                checksum = crc32(part)
                self._checksums.append(checksum)
                under_way.append(pool.submit(self._send_part, number, part, checksum))
            self._parts.extend(future.result() for future in under_way)

    def complete(self) -> None:
        """Let the object appear. Raises StorageUnavailable where S3 counts another checksum than was sent."""
        answer = self._client.complete_multipart_upload(**self._which, MultipartUpload={"Parts": self._parts})
        # Of the parts' checksums; some stores answer with that of the whole object, or with none.
        stored = answer.get("ChecksumCRC32", "")
        if stored.endswith(f"-{len(self._parts)}") and self._checked:
            _compare(stored.rpartition("-")[0], crc32(b"".join(self._checksums)))

    def abort(self) -> bool:
        """Take the upload back. Whether it was gone already: then it may have been completed."""
        try:
            self._client.abort_multipart_upload(**self._which)
        except Exception as error:  # noqa: BLE001 (what went wrong before is worth more to the user than this)
            return is_gone(error)
        return False

    def _send_part(self, number: int, part: bytes, checksum: bytes) -> CompletedPartTypeDef:
        sent: dict[str, Any] = {"ChecksumCRC32": as_header(checksum)} if self._checked else {}
        answer = self._client.upload_part(**self._which, PartNumber=number, Body=part, **sent)
        completed: CompletedPartTypeDef = {"PartNumber": number, "ETag": answer["ETag"]}
        if stored := answer.get("ChecksumCRC32"):
            _compare(stored, checksum)
            completed["ChecksumCRC32"] = stored
        return completed


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
