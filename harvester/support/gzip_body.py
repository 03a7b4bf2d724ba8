"""Decompress bodies as received, within a limit of size. Pure."""

from __future__ import annotations

from typing import cast

import deflate
from isal import isal_zlib

_GZIP = 16 + isal_zlib.MAX_WBITS
_MAGIC = b"\x1f\x8b"

MAX_MEMBERS = 64
"""Servers send one. The time for very many small ones would grow with the square of their number."""

_LARGEST_RATIO = 1032
"""The highest ratio of deflate: a trailer that claims more is not believed."""
_TRAILER_BYTES = 8


class BodyError(Exception):
    """The body is invalid. `reason` is a short word, as in `Outcome.reason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def decompress(data: bytes, encoding: str, max_bytes: int) -> bytes:
    """Decompress a body of `encoding` (`gzip`, of one member or several, or `identity`) to at most `max_bytes` bytes.

    Raises BodyError with reason `body_too_large`, `bad_gzip` or `cut_body`.
    """
    if encoding == "identity":
        if len(data) > max_bytes:
            raise BodyError("body_too_large", f"the body is larger than {max_bytes} bytes")
        return data
    plain = _one_member(data, max_bytes)
    return _members(data, max_bytes) if plain is None else plain


def _one_member(data: bytes, max_bytes: int) -> bytes | None:
    """Decompress what is certainly one member, as servers send it; None for all else.

    libdeflate is faster and allocates once, but stops after the first member and does not say where. So the trailer at
    the end, checksum and length, must be that of the result, and occur nowhere before.
    """
    trailer = data[-_TRAILER_BYTES:]
    checksum, size = (int.from_bytes(half, "little") for half in (trailer[:4], trailer[4:]))
    if not 0 < size <= min(max_bytes, _LARGEST_RATIO * len(data)):
        return None
    plain = _inflate(data, size)
    if plain is None or len(plain) != size or isal_zlib.crc32(plain) != checksum:
        return None
    return plain if data.find(trailer) == len(data) - _TRAILER_BYTES else None


def _inflate(data: bytes, size: int) -> bytes | None:
    """Decompress the first member, if it has no more than `size` bytes."""
    try:
        # A bytearray without another reference: copying it to bytes would cost what is gained.
        return cast(bytes, deflate.gzip_decompress(data, size))
    except (deflate.DeflateError, ValueError):  # the second where it is too short for one
        return None


def _members(data: bytes, max_bytes: int) -> bytes:
    """Decompress one member after another. Raises BodyError with what is wrong."""
    pieces: list[bytes] = []
    room = max_bytes
    while data:
        if len(pieces) == MAX_MEMBERS:
            raise BodyError("bad_gzip", f"the body has more than {MAX_MEMBERS} gzip members")
        if not data.startswith(_MAGIC[: len(data)]):
            # Checked here, because isa-l takes a few such bytes for an incomplete header.
            raise BodyError("bad_gzip", "the body is not valid gzip: it does not begin as such")
        member = isal_zlib.decompressobj(_GZIP)
        try:
            piece = member.decompress(data, room + 1)
        except isal_zlib.error as error:  # type: ignore[misc]  # its stubs call it a value
            raise BodyError("bad_gzip", f"the body is not valid gzip: {error}") from None
        if len(piece) > room:
            raise BodyError("body_too_large", f"the body is larger than {max_bytes} bytes")
        if not member.eof:
            raise BodyError("cut_body", "the body ends in the middle of its compressed data")
        room -= len(piece)
        pieces.append(piece)
        data = member.unused_data
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def unpack(data: bytes, encoding: str, raw_bytes: int) -> bytes:
    """As `decompress`, for a body that is known to have `raw_bytes` bytes: a quarter faster.

    Only for bodies whose checksum was verified: one that has more is refused only after it was decompressed.
    """
    plain = _inflate(data, raw_bytes) if encoding == "gzip" else None
    return plain if plain is not None and len(plain) == raw_bytes else decompress(data, encoding, raw_bytes)
