"""Cut blocks of bytes at line ends, so that many lines can be read at a time."""

from __future__ import annotations

from collections.abc import Iterator

PIECE_BYTES = 1 << 20
"""Fits into the processor's cache."""
MAX_LINE_BYTES = 512 << 20
"""A longer line is not read: it would fill the memory."""


class EndlessLineError(Exception):
    """A line is longer than MAX_LINE_BYTES."""


class LineBlocks:
    """An iterator of pieces of whole lines. A last line without a line end gets one."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = b""
        self._ended = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        wanted = PIECE_BYTES
        self._fill(wanted)
        while not (end := self._end_of_lines()) and not self._ended:
            if wanted > MAX_LINE_BYTES:
                raise EndlessLineError
            wanted *= 2
            self._fill(wanted)
        if not self._left:
            raise StopIteration
        if not end:
            self._left, end = self._left + b"\n", len(self._left) + 1
        piece, self._left = self._left[:end], self._left[end:]
        return piece

    def give_back(self, lines: bytes) -> None:
        """Return these lines again, before all others."""
        self._left = lines + self._left

    def _fill(self, wanted: int) -> None:
        """Read at least `wanted` bytes, fewer only at the end."""
        gathered = [self._left]
        size = len(self._left)
        while size < wanted and not self._ended:
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
            else:
                gathered.append(block)
                size += len(block)
        self._left = b"".join(gathered)

    def _end_of_lines(self) -> int:
        """The position after the last line end of the first PIECE_BYTES, or else after the first line end; 0 if there
        is none."""
        left = self._left
        end = left.rfind(b"\n", 0, PIECE_BYTES) + 1 or left.find(b"\n") + 1
        # With \r alone at the end, \n may follow.
        return end or left.rfind(b"\r", 0, len(left) - 1) + 1
