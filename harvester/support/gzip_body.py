"""Bodies as they come off the wire, and how to read them without trusting their size. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar, cast

import deflate
from isal import isal_zlib

T = TypeVar("T")

_GZIP = 16 + isal_zlib.MAX_WBITS
_MAGIC = b"\x1f\x8b"

MAX_MEMBERS = 64
"""Servers send one. Reading very many small ones would take time in the square of their number."""

_LARGEST_RATIO = 1032
"""What deflate makes of a byte at most: a trailer that tells of more is not believed."""
_TRAILER_BYTES = 8


class BodyError(Exception):
    """The bytes are not what they claim to be. `reason` is a short word, as in `Outcome.reason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def decompress(data: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body behind `encoding` (`gzip`, of one member or several, or `identity`), of at most `max_bytes`.

    Raises BodyError with reason `body_too_large`, `bad_gzip` or `cut_body`.
    """
    if encoding == "identity":
        if len(data) > max_bytes:
            raise BodyError("body_too_large", f"the body is larger than {max_bytes} bytes")
        return data
    plain = _one_member(data, max_bytes)
    return _members(data, max_bytes) if plain is None else plain


def _one_member(data: bytes, max_bytes: int) -> bytes | None:
    """What is plainly one member, as servers send it; None for all else.

    libdeflate is quicker, and takes the room for the whole at once, but stops after the first member and does not say
    where. So the trailer at the very end, checksum and length, must be that of what came out, and stand nowhere before.
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
    """The first member, if it has no more than `size` bytes."""
    try:
        # A bytearray with no other reference: copying it to bytes would cost what is gained.
        return cast(bytes, deflate.gzip_decompress(data, size))
    except (deflate.DeflateError, ValueError):  # the second where it is too short for one
        return None


def _members(data: bytes, max_bytes: int) -> bytes:
    """One member after another; or what is wrong with them."""
    pieces: list[bytes] = []
    room = max_bytes
    while data:
        if len(pieces) == MAX_MEMBERS:
            raise BodyError("bad_gzip", f"the body has more than {MAX_MEMBERS} gzip members")
        if not data.startswith(_MAGIC[: len(data)]):
            # Said here, for isa-l takes a few such bytes for a header that is still to come.
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
    """As `decompress`, of a body that was found to have `raw_bytes` before: a quarter quicker where it still has.

    For what is trusted by its checksum: a body that has more is only refused once it is unpacked.
    """
    plain = _inflate(data, raw_bytes) if encoding == "gzip" else None
    return plain if plain is not None and len(plain) == raw_bytes else decompress(data, encoding, raw_bytes)


# Every escape of a JSON text, so that none is looked for within another; of those that spell half a character, the
# pairs first.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def without_lone_surrogates(text: bytes) -> bytes:
    """A JSON text with U+FFFD for each escape that is half of a character, such as a cut emoji's `\\ud83d`.

    RFC 8259 allows those; Python, jq and JavaScript read them; simdjson, msgspec and Arrow refuse all of the text.
    """
    return _ESCAPE.sub(lambda escape: b"\\ufffd" if escape["lone"] else escape[0], text)


def parse_text(parse: Callable[..., T], *texts: bytes) -> T:
    """What `parse` makes of JSON texts; where it refuses them for lone surrogates, without those.

    Raises what `parse` raises: for what is no JSON, ValueError or RecursionError.
    """
    try:
        return parse(*texts)
    except (ValueError, RecursionError):
        fixed = tuple(map(without_lone_surrogates, texts))
        if fixed == texts:
            raise
        return parse(*fixed)
