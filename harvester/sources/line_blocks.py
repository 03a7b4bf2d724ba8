"""Blocks of bytes cut anew behind line ends, so that lines can be read many at a time."""

from __future__ import annotations

from collections.abc import Iterator

PIECE_BYTES = 1 << 20
"""Small enough for the processor's cache."""
MAX_LINE_BYTES = 512 << 20
"""A line that has not ended after this is not read on: it would fill the memory."""


class EndlessLineError(Exception):
    """A line is longer than MAX_LINE_BYTES."""


class LineBlocks:
    """An iterator of pieces, each of whole lines; a last line without an end is given one."""

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
        """They come again, before all others."""
        self._left = lines + self._left

    def _fill(self, wanted: int) -> None:
        """At least so many bytes, fewer at the end only."""
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
        """Behind the last line end of the first PIECE_BYTES, or the first that there is; 0 where there is none."""
        left = self._left
        end = left.rfind(b"\n", 0, PIECE_BYTES) + 1 or left.find(b"\n") + 1
        # With \r alone at the end, \n may follow.
        return end or left.rfind(b"\r", 0, len(left) - 1) + 1
