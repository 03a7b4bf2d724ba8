"""From stored responses to the bytes of a file: a stream, in load order, the same for the same ledger."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harvester.body import BodyError, decompress
from harvester.errors import LedgerDamaged
from harvester.model import StoredResponse

# Deflate, no flags, no time, no operating system: what gzip.compress writes there differs between Pythons.
_MEMBER_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


@dataclass(slots=True)
class Tally:
    """Counts what flows by."""

    responses: int = 0
    videos: int = 0

    def over(self, responses: Iterable[StoredResponse]) -> Iterator[StoredResponse]:
        for response in responses:
            self.responses += 1
            self.videos += response.body.item_count
            yield response


def json_array(responses: Iterable[StoredResponse]) -> Iterator[bytes]:
    """One UTF-8 JSON array of the bodies as the API sent them, decompressed. Nothing stored is `[]`.

    Raises LedgerDamaged at the first body that is not what was stored.
    """
    opening = b"["
    for response in responses:
        yield opening
        yield plain_body(response)
        opening = b","
    yield b"[]\n" if opening == b"[" else b"]\n"


def json_array_gzip(responses: Iterable[StoredResponse]) -> Iterator[bytes]:
    """The bytes of `json_array` as a gzip file of members put end to end.

    Bodies that came from the wire as gzip are copied as they are: compressing them again would cost more
    than all the rest of an export. `gzip`, `zcat`, pandas, Spark and every other reader of gzip *files* goes
    through all members; a one-shot `zlib.decompressobj`, and curl and some browsers that meet
    `Content-Encoding: gzip`, stop after the first.
    Raises LedgerDamaged at the first body that is not what was stored.
    """
    opening = b"["
    for response in responses:
        yield _member(opening)
        yield _gzip_body(response)
        opening = b","
    yield _member(b"[]\n" if opening == b"[" else b"]\n")


def plain_body(response: StoredResponse) -> bytes:
    """The body as the API meant it, decompressed. Raises LedgerDamaged where it is not what was stored."""
    body = response.body
    _check_sum(response)
    try:
        plain = decompress(body.data, body.encoding, body.raw_bytes)
    except BodyError as error:
        raise _damaged(response, str(error)) from error
    if len(plain) != body.raw_bytes:
        raise _damaged(response, f"it holds {len(plain)} bytes, {body.raw_bytes} were stored")
    return plain


def _gzip_body(response: StoredResponse) -> bytes:
    if response.body.encoding == "gzip":
        _check_sum(response)
        return response.body.data
    return _member(plain_body(response))


def _member(data: bytes) -> bytes:
    deflate = zlib.compressobj(level=6, wbits=-15)
    trailer = struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
    return b"".join((_MEMBER_HEADER, deflate.compress(data), deflate.flush(), trailer))


def _check_sum(response: StoredResponse) -> None:
    body = response.body
    if body.encoding not in ("gzip", "identity"):
        raise _damaged(response, f"its encoding {body.encoding!r} is unknown")
    if hashlib.sha256(body.data).digest() != body.sha256:
        raise _damaged(response, "its checksum does not match")


def _damaged(response: StoredResponse, how: str) -> LedgerDamaged:
    return LedgerDamaged(
        f"The stored body of call {response.call_id} is damaged: {how}.",
        state="The ledger was only read.",
        next_step="harvester verify names every damaged call.",
    )
