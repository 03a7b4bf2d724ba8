"""Cut blocks of bytes at line ends, so that many lines can be read at a time."""

from __future__ import annotations

from collections.abc import Iterator

PIECE_BYTES = 1 << 20
"""Fits into the processor's cache."""
MAX_LINE_BYTES = 512 << 20
"""A longer line is not read: it would fill the memory."""


class EndlessLineError(Exception):
    """A line is longer than MAX_LINE_BYTES."""


def line_pieces(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pieces of whole lines. A last line without a line end gets one. Raises EndlessLineError."""
    left, wanted, ended = b"", PIECE_BYTES, False
    while left or not ended:
        gathered, size = [left], len(left)
        while size < wanted and not ended:
            block = next(blocks, None)
            ended = block is None
            gathered.append(block or b"")
            size += len(gathered[-1])
        left = b"".join(gathered)
        end = _end_of_lines(left)
        if ended and left and not end:
            left, end = left + b"\n", len(left) + 1
        if end:
            yield left[:end]
            left, wanted = left[end:], PIECE_BYTES
        elif wanted > MAX_LINE_BYTES:
            raise EndlessLineError
        else:
            wanted *= 2


def _end_of_lines(text: bytes) -> int:
    """The position after the last line end of the first PIECE_BYTES, or else after the first line end; 0 if there is
    none."""
    end = text.rfind(b"\n", 0, PIECE_BYTES) + 1 or text.find(b"\n") + 1
    # With \r alone at the end, \n may follow.
    return end or text.rfind(b"\r", 0, len(text) - 1) + 1
