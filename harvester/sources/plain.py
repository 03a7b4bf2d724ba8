"""Plain CSV, by numpy: rows whose delimiters and line ends alternate as the header's do, and no quotes.

Most large files are of this kind from end to end. What is not is pandas's, with its rules for quotes, ragged rows and
the rest: the first piece that is not plain, and all that follows, go to `table.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from harvester.sources.ids import Texts
from harvester.sources.layout import Header
from harvester.sources.table import table_texts

if TYPE_CHECKING:
    from harvester.sources.recent import Recent

PIECE_BYTES = 1 << 20
"""Small enough for the processor's cache. A row is plain only if it ends within this."""
CHUNK_TEXTS = 250_000
CHUNK_CHARACTERS = 16 << 20
"""A chunk ends with this many texts or characters, or a few more: rows whose text was left out take no memory."""
NOT_PLAIN = (b'"', b"\r", b"\0")
MARK = b"\xef\xbb\xbf"
NEWLINE = ord("\n")
ID_BYTES = 11


def plain_texts(
    blocks: Iterator[bytes], header: Header, shown: str, chunk_rows: int, *, every_row: bool
) -> Iterator[Texts]:
    """A column of the rows in `blocks`, where the header no longer stands, just as `table_texts` reads it.

    Unless `every_row` is wanted, most texts that came in earlier rows are left out.
    """
    # it imports numpy, which takes a tenth of a second: only for those who need it
    from harvester.sources.recent import Recent

    recent = None if every_row else Recent()
    pieces = Pieces(blocks)
    rows = read = held = 0
    texts: list[str] = []
    for piece in pieces:
        column = find_column(piece, header)
        if column is None:
            pieces.give_back(piece)
            break
        for part in column.parts(chunk_rows):
            if rows + len(part) > chunk_rows or len(texts) >= CHUNK_TEXTS or held >= CHUNK_CHARACTERS:
                if rows:
                    yield Texts(rows, texts)
                rows, held, texts = 0, 0, []
            more = part.texts(recent)
            texts += more
            held += sum(map(len, more))
            rows += len(part)
            read += len(part)
    if rows:
        yield Texts(rows, texts)
    if not pieces.done:
        yield from _by_pandas(pieces.rest(), header, shown, min(chunk_rows, CHUNK_TEXTS), read)


def _by_pandas(rest: Iterator[bytes], header: Header, shown: str, chunk_rows: int, rows_before: int) -> Iterator[Texts]:
    """The rows that follow those `rows_before`.

    pandas reads the beginning of a file in its own way: a byte order mark is dropped there, and short rows alone are
    refused. So a row that is neither goes before the others, and is dropped again.
    """
    if not rows_before:
        yield from table_texts(rest, header, shown, chunk_rows)
        return
    first = b"-" + header.delimiter.encode() * (header.width - 1) + b"\n"
    chunks = table_texts(chain([first], rest), header, shown, chunk_rows, rows_before - 1)
    begun = next(chunks)
    yield Texts(begun.rows - 1, begun.texts[1:])
    yield from chunks


class Pieces:
    """Blocks cut anew, behind line ends; ends before the first row that is longer than a piece."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = b""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            whole = self._fill().rfind(b"\n", 0, PIECE_BYTES) + 1
            if not whole:
                break
            piece, self._left = self._left[:whole], self._left[whole:]
            yield piece
        if 0 < len(self._left) < PIECE_BYTES:
            # the last line has no end
            piece, self._left = self._left + b"\n", b""
            yield piece

    def _fill(self) -> bytes:
        """At least a piece, less at the end only."""
        gathered = [self._left]
        size = len(self._left)
        while size < PIECE_BYTES and (block := next(self._blocks, None)) is not None:
            gathered.append(block)
            size += len(block)
        self._left = b"".join(gathered)
        return self._left

    @property
    def done(self) -> bool:
        """Whether iteration ended because there is no more."""
        return not self._left

    def give_back(self, piece: bytes) -> None:
        """It is part of the rest."""
        self._left = piece + self._left

    def rest(self) -> Iterator[bytes]:
        """What has not been taken."""
        return chain([self._left], self._blocks)


@dataclass(frozen=True, slots=True)
class Column:
    """Where the fields of one column begin and end in a piece."""

    piece: bytes
    starts: Any
    ends: Any

    def __len__(self) -> int:
        return len(self.starts)

    def parts(self, most: int) -> Iterator[Column]:
        for first in range(0, len(self), most):
            yield Column(self.piece, self.starts[first : first + most], self.ends[first : first + most])

    def texts(self, recent: Recent | None) -> list[str]:
        """The texts of those rows that `recent` has not seen."""
        import numpy as np

        starts, ends = self.starts, self.ends
        like_ids = ends - starts == ID_BYTES
        all_like_ids = bool(like_ids.all())
        if recent is not None:
            fresh = recent.unseen(self.piece, starts if all_like_ids else starts[like_ids])
            if not all_like_ids:
                fresh = np.union1d(np.flatnonzero(like_ids)[fresh], np.flatnonzero(~like_ids))
            starts, ends = starts[fresh], ends[fresh]
        if all_like_ids:
            return _decoded_ids(self.piece, starts)
        spans = zip(starts.tolist(), ends.tolist(), strict=True)
        return [self.piece[start:end].decode(errors="replace") for start, end in spans]


def find_column(piece: bytes, header: Header) -> Column | None:
    """The header's column in these lines, or None where they are not plain."""
    import numpy as np

    if any(mark in piece for mark in NOT_PLAIN) or piece.startswith(MARK):
        return None
    content = np.frombuffer(piece, np.uint8)
    separators = content == NEWLINE
    lines = np.count_nonzero(separators)
    separators |= content == ord(header.delimiter)
    places = np.flatnonzero(separators)
    if len(places) != lines * header.width:
        return None
    grid = places.reshape(lines, header.width)
    if not (content[grid[:, -1]] == NEWLINE).all():
        return None
    ends = grid[:, header.index]
    if header.index:
        starts = grid[:, header.index - 1] + 1
    else:
        starts = np.concatenate([[0], grid[:-1, -1] + 1])
    if header.width == 1 and np.isin(content[starts], (NEWLINE, ord(" "), ord("\t"))).any():
        # perhaps a blank line, which is no row
        return None
    return Column(piece, starts, ends)


def _decoded_ids(piece: bytes, starts: Any) -> list[str]:
    """All at once: damage in a text cannot reach over the line end."""
    import numpy as np

    lines = np.full((len(starts), ID_BYTES + 1), NEWLINE, dtype=np.uint8)
    lines[:, :ID_BYTES] = np.frombuffer(piece, np.uint8)[starts[:, None] + np.arange(ID_BYTES)]
    return lines.tobytes().decode(errors="replace").split("\n")[:-1]
