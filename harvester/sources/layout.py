"""Which format a source has, and where its header stands: from its name, and from its first bytes."""

from __future__ import annotations

import codecs
import csv
import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from harvester import text
from harvester.errors import ConfigError
from harvester.sources.ids import KNOWN_ID

HEAD_BYTES = 256 << 10
"""The header, and the comments before it, must end within this."""

PACKED_SUFFIXES = (".gz", ".gzip", ".zst", ".zstd")
SHOWN_COLUMNS = 20
SHOWN_CHARACTERS = 60

# A list of ids may begin with an id that begins with PAR1.
PARQUET = re.compile(rb"PAR1(?![A-Za-z0-9_-]{7}\s)")
FOREIGN = {
    "UTF-16 text": re.compile(rb"\xff\xfe|\xfe\xff"),
    "a web page": re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE),
    "JSON": re.compile(rb"""\s*(\{\s*["}]|\[\s*["{\]])"""),
}


class Format(enum.Enum):
    TABLE = "CSV"
    PARQUET = "Parquet"
    LINES = "one id a line"


SUFFIXES = {
    ".csv": Format.TABLE,
    ".tsv": Format.TABLE,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".txt": Format.LINES,
    ".ids": Format.LINES,
    ".lst": Format.LINES,
}


@dataclass(frozen=True, slots=True)
class Header:
    """Where the ids of a table are."""

    delimiter: str
    width: int
    """How many columns the header names."""
    index: int
    """Which of them holds the ids, from 0."""
    size: int
    """Bytes up to the first row of data: byte order mark, comments and header."""


def is_parquet(head: bytes) -> bool:
    """Whether the content says so, whatever the name."""
    return PARQUET.match(head) is not None


def format_of(path: str) -> Format | None:
    """What the name says, or None."""
    name = PurePosixPath(path.lower())
    while name.suffix in PACKED_SUFFIXES:
        name = name.with_suffix("")
    return SUFFIXES.get(name.suffix)


def find_header(head: bytes, column: str, path: str) -> Header | None:
    """The header that names `column`: the first line that is no comment, else one of the comments above it."""
    table = _Table(head)
    for delimiter in _delimiters(path):
        names, size = table.header(delimiter)
        if column in names:
            return Header(delimiter, len(names), names.index(column), size)
    for delimiter in _delimiters(path):
        for names in table.commented(delimiter):
            if column in names:
                return Header(delimiter, len(names), names.index(column), table.start)
    return None


def refuse_foreign(head: bytes, shown: str) -> None:
    """Raise ConfigError for what is surely neither a table nor a list of ids."""
    what = next((name for name, beginning in FOREIGN.items() if beginning.match(head)), None)
    if what:
        raise ConfigError(
            f"{shown} is {what}, not a file of ids.", next_step="Name a CSV, Parquet or text file in UTF-8."
        )


def no_such_column(head: bytes, column: str, path: str, shown: str) -> ConfigError:
    """The error that names the columns there are."""
    table = _Table(head)
    names = max((table.names(delimiter) for delimiter in _delimiters(path)), key=len)
    if not any(names):
        return ConfigError(f"{shown} is empty: it has no column {column!r}.", next_step="Name another source.")
    if any(KNOWN_ID.fullmatch(name) and not name.islower() for name in names):
        hint = (
            "Its first line looks like data, not like a header. Add a header; or, if it is one id a line, "
            "let its name end in .txt, or pipe it in: harvester load -."
        )
    else:
        hint = "Name the column of the ids: harvester load --column NAME."
    return column_missing(names, column, shown, hint)


def column_missing(names: Sequence[str], column: str, shown: str, hint: str) -> ConfigError:
    listed = ", ".join(text.shown(name, SHOWN_CHARACTERS) for name in names[:SHOWN_COLUMNS])
    more = f" and {len(names) - SHOWN_COLUMNS} more" if len(names) > SHOWN_COLUMNS else ""
    return ConfigError(f"{shown} has no column {column!r}. Its columns: {listed}{more}.", next_step=hint)


def is_table(head: bytes, path: str) -> bool:
    """Whether the first two lines fall into as many fields, which ids cannot: a table, whatever its name."""
    table = _Table(head)
    return any(1 < table.width(delimiter, 0) == table.width(delimiter, 1) for delimiter in _delimiters(path))


def _delimiters(path: str) -> str:
    return "\t,;|" if ".tsv" in path.lower() else ",\t;|"


class _Table:
    """The beginning of a text file: comment lines, then records."""

    def __init__(self, head: bytes) -> None:
        mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
        self._lines = head[mark:].splitlines(keepends=True)
        self._comments: list[bytes] = []
        first = 0
        for line in self._lines:
            text = line.strip()
            if text and not text.startswith(b"#"):
                break
            self._comments.append(text)
            first += 1
        self._first = first
        self.start = mark + sum(map(len, self._lines[:first]))
        """Bytes before the first line that is neither blank nor a comment."""

    def header(self, delimiter: str) -> tuple[list[str], int]:
        """The fields of the first record, and the bytes up to its end."""
        size = self.start

        def lines() -> Iterator[str]:
            nonlocal size
            for line in self._lines[self._first :]:
                size += len(line)
                yield line.decode(errors="replace")

        return _record(lines(), delimiter), size

    def commented(self, delimiter: str) -> Iterator[list[str]]:
        """The fields of each comment, nearest to the data first."""
        for comment in reversed(self._comments):
            text = comment.decode(errors="replace")
            yield _record(iter([text.lstrip("# ")]), delimiter)

    def names(self, delimiter: str) -> list[str]:
        """What the columns are called, as well as can be told: a comment as wide as the first record names them."""
        first, _ = self.header(delimiter)
        above = next(self.commented(delimiter), [])
        return above if len(above) == len(first) and any(above) else first

    def width(self, delimiter: str, number: int) -> int:
        """How many fields line `number` has, counted from the first that is no comment."""
        lines = [line for line in self._lines[self._first : self._first + 10] if line.strip()]
        return len(_record(iter([lines[number].decode(errors="replace")]), delimiter)) if number < len(lines) else 0


def _record(lines: Iterator[str], delimiter: str) -> list[str]:
    try:
        return [field.strip() for field in next(csv.reader(lines, delimiter=delimiter, skipinitialspace=True), [])]
    except csv.Error:
        return []
