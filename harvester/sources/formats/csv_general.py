"""Read a column of any CSV, by the csv module, without losing rows to stray quotation marks.

What a strict writer would have written is read as CSV. A quotation mark that opens a field without closing it is an
ordinary character, in that line alone, as in unescaped titles. If both readings are possible, the lines between the two
marks decide: if each of them is a row with an id, they are rows.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from harvester.errors import ConfigError
from harvester.sources.formats.line_blocks import EndlessLineError
from harvester.sources.header import Header
from harvester.sources.video_id import is_video_id, read_id

if TYPE_CHECKING:
    import _csv

MAX_RECORD_CHARACTERS = 1 << 20
"""A quoted field with line breaks must close within this; otherwise a stray mark would read the rest of the file."""
LINES_LOOKED_AT = 1000
LINE = re.compile("[^\r\n]*(?:\r\n|\r|\n)")
QUOTE = '"'


class Table:
    """Reads the rows of a table, piece by piece."""

    def __init__(self, pieces: Iterator[bytes], header: Header, shown: str) -> None:
        self.rows = 0
        """Rows read so far."""
        self._line = header.line
        self._pieces = pieces
        self._header = header
        self._shown = shown
        self._lines: list[str] = []
        self._left = b""
        """Lines that were read ahead."""
        self._blank = " \t\r\n".replace(header.delimiter, "")
        # The default refuses quoted texts of 128 KiB.
        csv.field_size_limit(max(csv.field_size_limit(), 1 << 30))

    def pieces(self) -> Iterator[bytes]:
        """Yield what has not been read yet. Raises ConfigError for a line that is too long."""
        while piece := self._next_piece():
            yield piece

    def passed(self, rows: int) -> None:
        """Count rows, a line each, that were read elsewhere."""
        self.rows += rows
        self._line += rows

    def texts(self, piece: bytes) -> list[str]:
        """Return the column of the rows of a piece, whose last row may extend into the lines after it.

        A row with too few fields has the empty text; fields beyond the header's are ignored. Blank lines are not rows.
        """
        text = piece.decode(errors="replace")
        texts = self._one_row_a_line(text)
        return self._row_by_row(LINE.findall(text)) if texts is None else texts

    def _one_row_a_line(self, text: str) -> list[str] | None:
        """Read all lines at once; None if that is not safe."""
        index, width = self._header.index, self._header.width
        reader = self._reader(io.StringIO(text, newline=""), strict=True)
        try:
            texts = [row[index] for row in reader if len(row) == width]
        except csv.Error:
            return None
        # In a table of one column, a line of white space has the width of a row.
        if len(texts) != reader.line_num or (width == 1 and not all(map(str.strip, texts))):
            return None
        self.passed(len(texts))
        return texts

    def _row_by_row(self, lines: list[str]) -> list[str]:
        self._lines = lines
        texts = []
        at, end = 0, len(lines)
        while at < end:
            if not self._lines[at].strip(self._blank):
                taken = 1
            else:
                taken, text = self._row(at)
                texts.append(text)
                self.rows += 1
            at += taken
            self._line += taken
        self._left = "".join(self._lines[at:]).encode()
        self._lines = []
        return texts

    def _row(self, at: int) -> tuple[int, str]:
        """Return how many lines the row at line `at` takes, and its text."""
        line = self._lines[at]
        if QUOTE not in line:
            return 1, self._text(self._split(line))
        taken, fields, open_ended = self._strictly(at)
        if fields is not None and taken == 1:
            return 1, self._text(fields if len(fields) == self._header.width else self._loosely(line, fields))
        lines = self._lines[at : at + min(taken, LINES_LOOKED_AT)]
        if fields is not None:
            rows = sum(map(self._has_id, map(self._split, lines)))
            if rows <= int(_holds_id(self._text(fields))):
                return taken, self._text(fields)
            if 2 * rows < len(lines):
                raise self._broken("rows stand between two quotation marks, as if they were one field")
        elif open_ended and 2 * sum(map(self._is_row, lines)) < len(lines):
            raise self._broken("a quotation mark is not closed, so a row has no end")
        return 1, self._text(self._loosely(line, None))

    def _strictly(self, at: int) -> tuple[int, list[str] | None, bool]:
        """Return the lines and fields of the row as a strict reader reads it. If it can't, no fields, and whether the
        row has no end."""
        taken = 0
        open_ended = False

        def lines() -> Iterator[str]:
            nonlocal taken, open_ended
            size = 0
            while (at + taken < len(self._lines) or self._more()) and (size <= MAX_RECORD_CHARACTERS or not taken):
                line = self._lines[at + taken]
                taken += 1
                size += len(line)
                yield line
            open_ended = True

        try:
            fields = next(self._reader(lines(), strict=True))
        except csv.Error:
            return taken, None, open_ended
        return taken, fields, False

    def _more(self) -> bool:
        piece = self._next_piece()
        self._lines += LINE.findall(piece.decode(errors="replace"))
        return bool(piece)

    def _next_piece(self) -> bytes:
        piece, self._left = self._left, b""
        try:
            return piece or next(self._pieces, b"")
        except EndlessLineError:
            raise self._broken("a row has no end") from None

    def _loosely(self, line: str, strict: list[str] | None) -> list[str]:
        """Return the fields of a line with misplaced quotation marks: with an id and the header's width, if
        possible."""
        readings = [
            next(self._reader([line])),
            next(self._reader([line], escapechar="\\", doublequote=False)),
            self._split(line),
        ]
        width = self._header.width
        if strict and len(strict) > width:
            return strict
        with_id = list(filter(self._has_id, readings))
        exact = [fields for fields in with_id or readings if len(fields) == width]
        return (exact or with_id or [strict or readings[-1]])[0]

    def _reader(self, lines: Iterable[str], **options: Any) -> _csv.Reader:
        delimiter = self._header.delimiter
        return csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != " ", **options)

    def _split(self, line: str) -> list[str]:
        return line.rstrip("\r\n").split(self._header.delimiter)

    def _text(self, fields: list[str]) -> str:
        return fields[self._header.index] if len(fields) > self._header.index else ""

    def _is_row(self, line: str) -> bool:
        """Whether this line may be a whole row, ignoring its quotation marks."""
        fields = self._split(line)
        return len(fields) >= self._header.width and QUOTE not in self._text(fields)

    def _has_id(self, fields: list[str]) -> bool:
        """Whether they may be a whole row with an id."""
        return len(fields) >= self._header.width and _holds_id(self._text(fields))

    def _broken(self, how: str) -> ConfigError:
        return ConfigError(
            f"{self._shown} is broken CSV after row {self.rows:,} of its data, in line {self._line + 1:,}: {how}.",
            next_step="Fix the quotation mark in that line and load it again. Or, if these marks mean nothing in this "
            "file, load it without them: tr -d '\"' < FILE | harvester load -",
        )


def _holds_id(text: str) -> bool:
    return is_video_id(read_id(text))
