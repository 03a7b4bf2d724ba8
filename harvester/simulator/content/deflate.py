"""Join pre-deflated texts, around a few new bytes, into one gzip member.

Deflating 250 KB for each answer would cost more than the rest. Instead, each segment ends with a full flush, on a byte
boundary, so that stored (uncompressed) blocks and segments can follow one another. A segment may refer back to bytes
before it, so a new video id in a stored block appears wherever the segment refers to it.
"""

import gzip
import zlib
from collections.abc import Iterable
from struct import Struct

# Bytes that UTF-8 never contains, so that nothing else can be mistaken for a part of the id.
PLACEHOLDER = b"\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff\xf9\xfb\xfd"

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_STORED = Struct("<BHH").pack
_TRAILER = Struct("<II").pack
_LONGEST_STORED = 0xFFFF


def deflate_segment(text: bytes, before: bytes) -> bytes:
    """Return raw deflate blocks of `text`, none of them final, to follow directly after `before`.

    PLACEHOLDER in both stands for a later id: the segment refers to the one in `before`. Raises RuntimeError if this
    zlib writes it out instead.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=before)
    deflated = packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH)
    sample = b"0123456789-"
    reader = zlib.decompressobj(-zlib.MAX_WBITS, zdict=before.replace(PLACEHOLDER, sample))
    if reader.decompress(deflated) != text.replace(PLACEHOLDER, sample):
        raise RuntimeError(f"zlib {zlib.ZLIB_RUNTIME_VERSION} does not quote ids as the simulator needs it")
    return deflated


def gzipped_if(wanted: bool, body: bytes) -> bytes:
    """Return the body, compressed if wanted."""
    return gzip.compress(body, 6, mtime=0) if wanted else body


def stitch(pieces: Iterable[tuple[bytes, bytes, bytes]], end: bytes) -> bytes:
    """Return a gzip member of pieces (plain, text, the same text deflated) and a plain end.

    Plain bytes are stored uncompressed, at most 65,535 at a time.
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
