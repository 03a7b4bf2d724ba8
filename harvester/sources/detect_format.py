"""Detect the format of a source by its first bytes, its header and its name, and read the texts of its column.

Compression is detected in `decompress.py`, delimiter and header in `header.py`.

What reads a format imports numpy, pandas or pyarrow, so it is imported for those who need it.
"""

from __future__ import annotations

import codecs
import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath

from harvester.errors import ConfigError
from harvester.sources.classify_ids import Texts
from harvester.sources.decompress import peek, unpacked
from harvester.sources.encoding import as_utf8
from harvester.sources.formats.lines import line_texts
from harvester.sources.header import HEAD_BYTES, Beginning, Wanted, column_hint
from harvester.sources.source import Source
from harvester.sources.wrong_files import refuse_foreign

PACKED_SUFFIXES = (".gz", ".gzip", ".zst", ".zstd")
# By the content, whatever the name. An id may begin with PAR1.
PARQUET = re.compile(rb"PAR1(?![A-Za-z0-9_-]{7}\s)")
# A list of ids is not JSON, whatever its first id.
JSON = re.compile(rb"""\s*(\{\s*["}]|\[\s*["{\]])""")
JSON_HINT = "Name the field of the ids: harvester load --column NAME."
HELD_ROWS = 250_000
"""Most rows in a chunk of anything but plain CSV, because it holds the texts of all its rows."""


class Format(enum.Enum):
    TABLE = "CSV"
    PARQUET = "Parquet"
    JSON = "JSON"
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
class Content:
    """The content of a source."""

    format: Format
    texts: Iterator[Texts]
    hint: str
    """What to type if no text is an id."""


def format_of(path: str) -> Format | None:
    """The format by the name, or None."""
    name = PurePosixPath(path.lower())
    while name.suffix in PACKED_SUFFIXES:
        name = name.with_suffix("")
    return SUFFIXES.get(name.suffix)


def read_content(source: Source, wanted: Wanted, chunk_rows: int, *, every_row: bool) -> Content:
    """Return the rows of the column, or the lines if there are no columns, in the order of the source.

    Without `every_row`, repeated texts may be left out.
    """
    blocks, packed = unpacked(source)
    head, blocks = peek(blocks, HEAD_BYTES)
    if PARQUET.match(head):
        from harvester.sources.formats.parquet import parquet_texts

        texts = parquet_texts(source, blocks, wanted, min(chunk_rows, HELD_ROWS), packed=packed)
        return Content(Format.PARQUET, texts, column_hint(source.shown, ()))
    if wanted.encoding:
        head, blocks = peek(as_utf8(blocks, wanted.encoding), HEAD_BYTES)
    return _text(head, blocks, source, wanted, chunk_rows, every_row)


def _text(
    head: bytes, blocks: Iterator[bytes], source: Source, wanted: Wanted, chunk_rows: int, every_row: bool
) -> Content:
    """A header with the column's name makes it a table, whatever the source's name."""
    bare = head.removeprefix(codecs.BOM_UTF8)
    if JSON.match(bare):
        from harvester.sources.formats.json_rows import json_texts

        blocks = _without(blocks, len(head) - len(bare))
        return Content(Format.JSON, json_texts(blocks, wanted, source.shown), JSON_HINT)
    refuse_foreign(head, source.shown)
    named = format_of(source.path)
    if named is Format.PARQUET:
        raise ConfigError(f"{source.shown} is named as Parquet, but is not.", next_step="Name another source.")
    beginning = Beginning(head, wanted, source.path, source.shown)
    if header := beginning.find_header():
        from harvester.sources.formats.csv_fast import plain_texts

        texts = plain_texts(_without(blocks, header.size), header, source.shown, chunk_rows, every_row=every_row)
        return Content(Format.TABLE, texts, beginning.other_column(header.delimiter))
    if named is Format.TABLE or wanted.delimiter or beginning.is_table():
        raise beginning.no_such_column()
    lines = line_texts(_without(blocks, beginning.start), min(chunk_rows, HELD_ROWS))
    return Content(Format.LINES, lines, "Name a file of ids: one a line, or a table and its column.")


def _without(blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    return chain([next(blocks, b"")[size:]], blocks)
