"""Plain CSV, by numpy: rows whose delimiters and line ends alternate as the header's do, and no quotes.

Most large files are of this kind from end to end. The blocks that are not plain are read by `csv_general`, with its
rules for quotes, ragged rows and the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harvester.sources.csv_general import Table
from harvester.sources.line_blocks import PIECE_BYTES, LineBlocks
from harvester.sources.sniff import Header
from harvester.sources.sort_ids import Texts

if TYPE_CHECKING:
    from harvester.sources.recent_ids import RecentIds

CHUNK_TEXTS = 250_000
CHUNK_CHARACTERS = 16 << 20
"""A chunk ends with this many texts or characters, or a few more: rows whose text was left out take no memory."""
NOT_PLAIN = (b'"', b"\r", b"\0")
NEWLINE = ord("\n")
ID_BYTES = 11


def plain_texts(
    blocks: Iterator[bytes], header: Header, shown: str, chunk_rows: int, *, every_row: bool
) -> Iterator[Texts]:
    """A column of the rows in `blocks`, where the header no longer stands.

    Unless `every_row` is wanted, most texts that came in earlier rows are left out.
    """
    table = Table(LineBlocks(blocks), header, shown)
    rows = held = 0
    texts: list[str] = []
    for count, more in _parts(table, header, chunk_rows, every_row=every_row):
        if rows and (rows + count > chunk_rows or len(texts) >= CHUNK_TEXTS or held >= CHUNK_CHARACTERS):
            yield Texts(rows, texts)
            rows, held, texts = 0, 0, []
        texts += more
        held += sum(map(len, more))
        rows += count
    if rows:
        yield Texts(rows, texts)


def _parts(table: Table, header: Header, most: int, *, every_row: bool) -> Iterator[tuple[int, list[str]]]:
    """The rows piece by piece, at most so many at once: how many they are, and their texts."""
    # it imports numpy, which takes a tenth of a second: only for those who need it
    from harvester.sources.recent_ids import RecentIds

    recent = None if every_row else RecentIds()
    for piece in table.pieces():
        column = find_column(piece.replace(b"\r\n", b"\n"), header)
        if column is not None:
            table.passed(len(column))
            for part in column.parts(most):
                yield len(part), part.texts(recent)
        else:
            texts = table.texts(piece)
            for first in range(0, len(texts), most):
                yield len(texts[first : first + most]), texts[first : first + most]


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

    def texts(self, recent: RecentIds | None) -> list[str]:
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

    if len(piece) > PIECE_BYTES or any(mark in piece for mark in NOT_PLAIN):
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
