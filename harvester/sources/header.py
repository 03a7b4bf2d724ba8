"""The header of a table, its delimiter, and its column of ids, by the first bytes and the name of a source.

The column's name comes from `source.column`. Which format a source has: `detect_format.py`.
"""

from __future__ import annotations

import codecs
import csv
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harvester.errors import ConfigError
from harvester.sources.source import as_argument
from harvester.sources.video_id import INVISIBLE, KNOWN_ID, is_video_id, read_id
from harvester.support.sanitize import count, did_you_mean, escaped, shown

HEAD_BYTES = 256 << 10
"""The header and the comments before it must end within this."""

SHOWN_COLUMNS = 20
SHOWN_CHARACTERS = 60
SAMPLE_LINES = 20

# Excel writes and reads such a first line.
SEPARATOR_LINE = re.compile(rb'"?sep=([^\r\n"])"?\s*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a table, and which column holds the ids."""

    delimiter: str
    width: int
    """How many columns the header names."""
    index: int
    """The index of the id column, from 0."""
    size: int
    """Bytes up to the first row of data: byte order mark, comments and header."""
    line: int = 0
    """Lines before it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which column is wanted, and how to read the source."""

    column: str
    delimiter: str | None = None
    encoding: str | None = None

    @property
    def number(self) -> int:
        """The column's number, from 1; 0 if it is a name."""
        return int(self.column) if self.column.isascii() and self.column.isdecimal() else 0


def column_hint(name: str, names: Sequence[str], index: int = -1) -> str:
    """Return how to name a column; `index` is that of the one that seems to hold the ids."""
    general = "Name the column of the ids: harvester load --column NAME"
    if not 0 <= index < len(names):
        return f"{general}, or --column NUMBER where the first line is no header."
    column = names[index]
    return f"{general}. Column {escaped(column, SHOWN_CHARACTERS)} seems to hold them: {_command(name, column)}"


def _command(name: str, column: str) -> str:
    return f"harvester load {as_argument(name)} --column {shlex.quote(shown(column))}"


def column_missing(names: Sequence[str], column: str, name: str, hint: str) -> ConfigError:
    """Return the error for a missing column, with the existing ones."""
    listed = ", ".join(_visible(text) for text in names[:SHOWN_COLUMNS])
    more = f" and {len(names) - SHOWN_COLUMNS} more" if len(names) > SHOWN_COLUMNS else ""
    what = f"{name} has no column {column!r}.{did_you_mean(column, names)} Its columns: {listed}{more}."
    return ConfigError(what, next_step=hint)


def columns_of_one_name(column: str, numbers: Sequence[int], name: str, hint: str) -> ConfigError:
    """`numbers` are theirs, from 1."""
    places = " and ".join(map(str, numbers))
    return ConfigError(f"{name} has {count(len(numbers), 'column')} {column!r}: numbers {places}.", next_step=hint)


def _visible(text: str) -> str:
    """Return a column's name, in quotes and with escapes only if it holds invisible characters."""
    return shown(text, SHOWN_CHARACTERS) if text.isprintable() else escaped(text, SHOWN_CHARACTERS)


class Beginning:
    """The beginning of a text file: byte order marks, a line that names the separator, comments, then records.

    `path` is the file's name, `name` the one to show.
    """

    def __init__(self, head: bytes, wanted: Wanted, path: str, name: str) -> None:
        mark = 0
        while head.startswith(codecs.BOM_UTF8, mark):  # files joined by cat have several
            mark += len(codecs.BOM_UTF8)
        self._head = head
        self._wanted = wanted
        self._name = name
        self._lines = head[mark:].splitlines(keepends=True)
        separator = SEPARATOR_LINE.fullmatch(self._lines[0]) if self._lines else None
        self._comments: list[bytes] = []
        first = 1 if separator else 0
        for line in self._lines[first:]:
            text = line.strip()
            if text and not text.startswith(b"#"):
                break
            self._comments.append(text)
            first += 1
        self._first = first
        self.start = mark + sum(map(len, self._lines[:first]))
        """Bytes before the first line that is neither blank nor a comment."""
        self._delimiters = "\t,;|" if ".tsv" in path.lower() else ",\t;|"
        """Possible separators of fields, the most likely first."""
        if separator and separator[1].isascii():
            self._delimiters = separator[1].decode()
        if wanted.delimiter:
            self._delimiters = wanted.delimiter

    def find_header(self) -> Header | None:
        """Find the header with the column's name: the first line that is not a comment, or one of the comments above.

        A column may also be a number, from 1, in a table without header. Raises ConfigError if two columns have that
        name.
        """
        for delimiter in self._delimiters:
            names, size = self._first_record(delimiter)
            if self._wanted.column in names:
                return self._found(names, delimiter, size)
        for delimiter in self._delimiters:
            for names in self._commented(delimiter):
                if self._wanted.column in names:
                    return self._found(names, delimiter, self.start)
        return self._numbered(self._wanted.number) if self._wanted.number else None

    def _found(self, names: Sequence[str], delimiter: str, size: int) -> Header:
        column = self._wanted.column
        numbers = [number for number, text in enumerate(names, 1) if text == column]
        if len(numbers) > 1:
            hint = (
                "Give the others another name in its first line. Or load it without that line, by the column's number: "
                f"tail -n +2 FILE | harvester load - --column {numbers[0]}"
            )
            raise columns_of_one_name(column, numbers, self._name, hint)
        return Header(delimiter, len(names), numbers[0] - 1, size, self._lines_before(size))

    def _numbered(self, number: int) -> Header | None:
        """Make a header for a table without one."""
        widths = {delimiter: self._row_widths(delimiter) for delimiter in self._delimiters}
        delimiter = max(widths, key=lambda delimiter: _most_common(widths[delimiter]))
        most = max([*widths[delimiter], *self._line_widths(delimiter)], default=0)
        if not most:
            return None
        if number > most:
            raise ConfigError(
                f"{self._name} has no column {number}: its rows have {count(most, 'column')}.",
                next_step="Name another column; or, if another character separates them, --delimiter.",
            )
        width = _most_common(widths[delimiter])
        width = width if width >= number else most
        return Header(delimiter, width, number - 1, self.start, self._lines_before(self.start))

    def is_table(self) -> bool:
        """Whether the first two lines have the same number of fields, more than one: then it is a table, whatever its
        name."""
        lines = self._sample()[:2]
        if all(is_video_id(read_id(line)) for line in lines):
            return False  # URLs contain such characters
        widths = [[len(_record([line], delimiter)) for line in lines] for delimiter in self._delimiters]
        return any(len(pair) == 2 and 1 < pair[0] == pair[1] for pair in widths)

    def no_such_column(self) -> ConfigError:
        """Return the error that lists the columns."""
        name, column = self._name, self._wanted.column
        delimiter = max(self._delimiters, key=lambda delimiter: len(self._names(delimiter)))
        names = self._names(delimiter)
        if not any(names):
            return ConfigError(f"{name} is empty: it has no column {column!r}.", next_step="Name another source.")
        like_ids = [bool(KNOWN_ID.fullmatch(read_id(text))) and not text.islower() for text in names]
        if any(like_ids):
            hint = (
                "Its first line looks like data, not like a header. Name the column by its number: "
                f"{_command(name, str(1 + like_ids.index(True)))}. Or, if it is one id a line, let its name end "
                "in .txt, or pipe it in: harvester load -."
            )
        else:
            hint = column_hint(name, names, self._id_column(delimiter))
        return column_missing(names, column, name, hint)

    def other_column(self, delimiter: str) -> str:
        """Return what to type if the wanted column holds no id."""
        names = self._names(delimiter)
        if self._wanted.column not in names:
            names = [str(number) for number, _ in enumerate(names, 1)]
        return column_hint(self._name, names, self._id_column(delimiter))

    def _lines_before(self, size: int) -> int:
        return len(self._head[:size].splitlines())

    def _first_record(self, delimiter: str) -> tuple[list[str], int]:
        """The fields of the first record, and the bytes up to its end."""
        size = self.start

        def lines() -> Iterator[str]:
            nonlocal size
            for line in self._lines[self._first :]:
                size += len(line)
                yield line.decode(errors="replace")

        return _record(lines(), delimiter), size

    def _commented(self, delimiter: str) -> Iterator[list[str]]:
        """The fields of each comment, nearest to the data first."""
        for comment in reversed(self._comments):
            text = comment.decode(errors="replace")
            yield _record([text.lstrip("# ")], delimiter)

    def _names(self, delimiter: str) -> list[str]:
        """Guess the columns' names: those of a comment as wide as the first record, or the first record."""
        first, _ = self._first_record(delimiter)
        above = next(self._commented(delimiter), [])
        return above if len(above) == len(first) and any(above) else first

    def _sample(self) -> list[str]:
        """The first lines, without comments and blank ones."""
        lines = self._lines[self._first : self._first + SAMPLE_LINES]
        return [line.decode(errors="replace") for line in lines if line.strip()]

    def _row_widths(self, delimiter: str) -> list[int]:
        """The number of fields of the first rows: by records, or by lines if only these agree."""
        sample = self._sample()
        strict: list[int] = []
        try:
            for row in _reader(sample, delimiter, strict=True):
                strict.append(len(row))
        except csv.Error as error:
            if "end of data" not in str(error):  # the sample ends within a record
                strict = []
        by_lines = self._line_widths(delimiter)
        if len(strict) == len(sample) and len(set(strict)) == 1:
            return strict
        if len(set(by_lines)) == 1:
            return by_lines
        return strict or [len(_record([line], delimiter)) for line in sample] + by_lines

    def _line_widths(self, delimiter: str) -> list[int]:
        """The same, with quotation marks as ordinary characters."""
        return [line.count(delimiter) + 1 for line in self._sample()]

    def _id_column(self, delimiter: str) -> int:
        """The index of the column with ids in most of the first rows, without the first, or -1."""
        rows = [_record([line], delimiter) for line in self._sample()[1:]]
        counts = [
            sum(len(row) > index and is_video_id(read_id(row[index])) for row in rows)
            for index in range(max(map(len, rows), default=0))
        ]
        most = max(counts, default=0)
        return counts.index(most) if most and 2 * most >= len(rows) else -1


def _most_common(widths: Sequence[int]) -> int:
    """Return the most common width; 1 if they differ much, as in prose."""
    width = max(widths, key=widths.count, default=0)
    return width if 2 * widths.count(width) > len(widths) else min(1, width)


def _record(lines: Iterable[str], delimiter: str) -> list[str]:
    try:
        return [field.strip(INVISIBLE) for field in next(_reader(lines, delimiter), [])]
    except csv.Error:
        return []


def _reader(lines: Iterable[str], delimiter: str, *, strict: bool = False) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != " ", strict=strict)
