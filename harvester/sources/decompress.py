"""Decompress blocks of bytes, detected by their first bytes."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

from harvester.errors import SourceUnavailable
from harvester.sources.source import Source
from harvester.sources.wrong_files import refuse_packed

BLOCK_BYTES = 1 << 20
# Compressed bytes are decompressed in small slices: memory must hold the result of one.
SLICE_BYTES = 16 << 10
MAGIC_BYTES = 10

GZIP = re.compile(rb"\x1f\x8b")
ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")


def unpacked(source: Source) -> tuple[Iterator[bytes], bool]:
    """Return the source's bytes, decompressed, and whether they were compressed."""
    head, blocks = peek(iter(partial(source.read, BLOCK_BYTES), b""), MAGIC_BYTES)
    refuse_packed(head, source.shown)
    if GZIP.match(head):
        return _unpack(blocks, lambda: zlib.decompressobj(wbits=31), zlib.error, source), True
    if ZSTD.match(head):
        import zstandard

        new = zstandard.ZstdDecompressor().decompressobj
        return _unpack(blocks, new, zstandard.ZstdError, source), True
    return blocks, False


def peek(blocks: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """Return the first `size` bytes or a little more, fewer if the stream ends, and all blocks from the start."""
    head = bytearray()
    for block in blocks:
        head += block
        if len(head) >= size:
            break
    return bytes(head), chain([bytes(head)], blocks)


def _unpack(
    blocks: Iterator[bytes], new: Callable[[], Any], failure: type[Exception], source: Source
) -> Iterator[bytes]:
    """Decompress all members, as after `cat a.gz b.gz`. Zeros after a member are padding.

    `new` makes an object of zlib or zstandard for each member.
    """
    member = new()
    slices = (block[start : start + SLICE_BYTES] for block in blocks for start in range(0, len(block), SLICE_BYTES))
    try:
        for piece in slices:
            while piece:
                if member.eof:
                    piece = piece.lstrip(b"\0")
                    if not piece:
                        break
                    member = new()
                yield member.decompress(piece)
                piece = member.unused_data if member.eof else b""
    except failure as error:
        raise _damaged(source, f"its packed bytes are damaged ({error})") from error
    if not member.eof:
        raise _damaged(source, "the source ended in the middle of its packed bytes")


def _damaged(source: Source, how: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"{source.shown} could not be read to its end: {how}.",
        next_step="Fetch or write the file again, then run harvester load again.",
    )
