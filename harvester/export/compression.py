"""Reproducible compression: the same pieces give the same bytes on every machine."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

from harvester.export.prefetch import ahead

# Deflate, no flags, no time, no operating system: gzip.compress writes other values in some versions of Python.
_MEMBER_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_GZIP_LEVEL = 6
_ZSTD_LEVEL = 3


def gzip_member(data: bytes) -> bytes:
    """Compress to one gzip member. Concatenated members are a gzip file, too."""
    deflate = zlib.compressobj(level=_GZIP_LEVEL, wbits=-15)
    trailer = struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
    return b"".join((_MEMBER_HEADER, deflate.compress(data), deflate.flush(), trailer))


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a gzip member for each piece, made in several threads; one empty member without pieces."""
    empty = True
    for member in ahead(gzip_member, pieces):
        empty = False
        yield member
    if empty:
        yield gzip_member(b"")


def zstandard_frame(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Compress to one frame with a checksum: some readers, pandas among them, stop after the first."""
    import zstandard

    frame = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compressobj()
    for piece in pieces:
        if packed := frame.compress(piece):
            yield packed
    yield frame.flush()
