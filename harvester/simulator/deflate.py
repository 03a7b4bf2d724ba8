"""Gzip by stitching: text deflated once is put together, around a few fresh bytes, into one gzip member.

Deflating 250 KB for each answer would cost more than all the rest. Two things avoid it: a segment ends with
a full flush, that is on a byte boundary with nothing left open, so stored (uncompressed) blocks and segments
may follow one another; and a segment may quote what stands before it by distance, so a video id stored
afresh turns up wherever the segment quotes it.
"""

import gzip
import zlib
from collections.abc import Iterable
from struct import Struct

# Bytes that UTF-8 never holds, so that nothing else can be taken for a part of the id.
PLACEHOLDER = b"\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff\xf9\xfb\xfd"

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_STORED = Struct("<BHH").pack
_TRAILER = Struct("<II").pack
_LONGEST_STORED = 0xFFFF


def deflate_segment(text: bytes, before: bytes) -> bytes:
    """Raw deflate blocks, none final, of `text`, to stand right after `before`.

    PLACEHOLDER in both stands for an id to come: the segment quotes it from `before`. Raises RuntimeError
    where this zlib writes it out instead.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=before)
    deflated = packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH)
    sample = b"0123456789-"
    reader = zlib.decompressobj(-zlib.MAX_WBITS, zdict=before.replace(PLACEHOLDER, sample))
    if reader.decompress(deflated) != text.replace(PLACEHOLDER, sample):
        raise RuntimeError(f"zlib {zlib.ZLIB_RUNTIME_VERSION} does not quote ids as the simulator needs it")
    return deflated


def gzipped_if(wanted: bool, body: bytes) -> bytes:
    """The body compressed, where that is wanted."""
    return gzip.compress(body, 6, mtime=0) if wanted else body


def stitch(pieces: Iterable[tuple[bytes, bytes, bytes]], end: bytes) -> bytes:
    """One gzip member of pieces (plain, text, the same text deflated) and a plain end.

    What is plain is stored as it is, at most 65,535 bytes at a time.
    """
    out = [_HEADER]
    crc = length = 0
    crc32 = zlib.crc32
    for plain, text, deflated in pieces:
        size = len(plain)
        out += (_STORED(0, size, size ^ _LONGEST_STORED), plain, deflated)
        crc = crc32(text, crc32(plain, crc))
        length += size + len(text)
    size = len(end)
    trailer = _TRAILER(crc32(end, crc), (length + size) & 0xFFFFFFFF)
    out += (_STORED(1, size, size ^ _LONGEST_STORED), end, trailer)
    return b"".join(out)
