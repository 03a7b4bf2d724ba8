"""Read one id a line, in bounded memory also for a wrong file with very long lines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from harvester.sources.classify_ids import Texts, cut

LINE_BYTES = 1024
"""A longer line holds no id, and is truncated."""

ENDS = (b"\n", b"\r")


def line_texts(blocks: Iterator[bytes], chunk_rows: int) -> Iterator[Texts]:
    """Yield the lines that are not blank."""
    pending: list[bytes] = []
    for lines in _lines(blocks):
        pending += lines
        while len(pending) >= chunk_rows:
            yield _decoded(pending[:chunk_rows])
            del pending[:chunk_rows]
    if pending:
        yield _decoded(pending)


def _decoded(lines: list[bytes]) -> Texts:
    # Decoding all at once is many times faster, and damage in a line cannot extend into the next.
    return Texts(len(lines), b"\n".join(lines).decode(errors="replace").split("\n"))


def _lines(blocks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines that end in each block, without blank ones. An incomplete line is carried into the next block."""
    carried = _Carried()
    for block in blocks:
        lines = block.splitlines() or [b""]
        *ended, unended = [*lines, b""] if block.endswith(ENDS) else lines
        if ended:
            carried.add(ended[0])
            ended[0] = carried.end()
            carried = _Carried()
        carried.add(unended)
        yield [line if len(line) <= LINE_BYTES else _Carried(line).end() for line in ended if line.strip()]
    last = carried.end()
    if last.strip():
        yield [last]


class _Carried:
    """A line of which pieces are known, held whole only while it is short."""

    def __init__(self, piece: bytes = b"") -> None:
        self._head = b""
        self._bytes = 0
        self._digest = hashlib.sha256()
        self.add(piece)

    def add(self, piece: bytes) -> None:
        self._head = (self._head + piece)[:LINE_BYTES]
        self._bytes += len(piece)
        self._digest.update(piece)

    def end(self) -> bytes:
        if self._bytes <= LINE_BYTES:
            return self._head
        return cut(self._head.decode(errors="replace").strip(), self._digest.hexdigest()).encode()
