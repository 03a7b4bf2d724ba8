"""Plain CSV, by numpy: rows whose delimiters and line ends alternate as the header's do, and no quotes.

Most large files are of this kind. Blocks that are not plain are read by `csv_general`, with its rules for quotes and
ragged rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from harvester.sources.classify_ids import Texts
from harvester.sources.formats.csv_general import Table
from harvester.sources.formats.line_blocks import PIECE_BYTES, line_pieces
from harvester.sources.header import Header

CHUNK_TEXTS = 250_000
CHUNK_CHARACTERS = 16 << 20
"""A chunk ends after about this many texts or characters; rows whose text was left out take no memory."""
NOT_PLAIN = (b'"', b"\r", b"\0")
NEWLINE = ord("\n")
ID_BYTES = 11
FIRST_BITS = 21
SECOND_BITS = 20
MULTIPLIERS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


def plain_texts(
    blocks: Iterator[bytes], header: Header, shown: str, chunk_rows: int, *, every_row: bool
) -> Iterator[Texts]:
    """Yield a column of the rows in `blocks`, which begin after the header.

    Without `every_row`, most repeated texts are left out.
    """
    table = Table(line_pieces(blocks), header, shown)
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
    """Yield the rows piece by piece, at most `most` at once: their number and their texts."""
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
    """The beginnings and ends of one column's fields in a piece."""

    piece: bytes
    starts: Any
    ends: Any

    def __len__(self) -> int:
        return len(self.starts)

    def parts(self, most: int) -> Iterator[Column]:
        for first in range(0, len(self), most):
            yield Column(self.piece, self.starts[first : first + most], self.ends[first : first + most])

    def texts(self, recent: RecentIds | None) -> list[str]:
        """Return the texts of the rows, without those that `recent` remembers."""
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
    """Find the header's column in these lines; None if they are not plain."""
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
        # perhaps a blank line, which is not a row
        return None
    return Column(piece, starts, ends)


def _decoded_ids(piece: bytes, starts: Any) -> list[str]:
    """Decode all at once: damage in a text cannot extend over its line end."""
    lines = np.full((len(starts), ID_BYTES + 1), NEWLINE, dtype=np.uint8)
    lines[:, :ID_BYTES] = np.frombuffer(piece, np.uint8)[starts[:, None] + np.arange(ID_BYTES)]
    return lines.tobytes().decode(errors="replace").split("\n")[:-1]


class RecentIds:
    """Recently seen ids, in a fixed amount of memory: a play log repeats each song many times.

    Each text of eleven bytes has a slot by hash; displaced by another, it has a second one. 36 MiB. It never drops an
    id that was not seen; one that it has forgotten is passed on again, and the ledger knows it.
    """

    def __init__(self, first_bits: int = FIRST_BITS, second_bits: int = SECOND_BITS) -> None:
        self._first = _Slots(first_bits)
        self._second = _Slots(second_bits)

    def unseen(self, piece: bytes, starts: Any) -> Any:
        """Return which of the texts that start at `starts` are not remembered, and remember them."""
        if not len(starts):
            return np.zeros(0, dtype=np.int64)
        # the first eight bytes and the last four, which share one
        heads = np.ndarray(len(piece) - 7, "<u8", piece, strides=(1,))[starts]
        tails = np.ndarray(len(piece) - 3, "<u4", piece, strides=(1,))[starts + 7]
        new = np.flatnonzero(self._first.lacks(heads, tails))
        new = new[self._second.lacks(heads[new], tails[new])]
        self._second.put(*self._first.put(heads[new], tails[new]))
        return new


class _Slots:
    def __init__(self, bits: int) -> None:
        # an empty slot holds eleven NULs, which are in no plain text
        self._heads = np.zeros(1 << bits, dtype="<u8")
        self._tails = np.zeros(1 << bits, dtype="<u4")
        self._shift = np.uint64(64 - bits)

    def lacks(self, heads: Any, tails: Any) -> Any:
        slots = self._slots(heads, tails)
        lacks = self._heads[slots] != heads
        lacks |= self._tails[slots] != tails
        return lacks

    def put(self, heads: Any, tails: Any) -> tuple[Any, Any]:
        """Store them. Returns those that they displaced."""
        slots = self._slots(heads, tails)
        heads_out, tails_out = self._heads[slots], self._tails[slots]
        # if two share a slot, the last one has it in both arrays
        self._heads[slots] = heads
        self._tails[slots] = tails
        full = np.flatnonzero(heads_out)
        return heads_out[full], tails_out[full]

    def _slots(self, heads: Any, tails: Any) -> Any:
        first, second = MULTIPLIERS
        mixed = heads * first
        mixed ^= tails * second
        mixed *= first
        mixed >>= self._shift
        return mixed.view(np.int64)
