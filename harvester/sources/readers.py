"""From the bytes of a source to the texts of its column, whatever its packing and format."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import chain

from harvester.errors import ConfigError
from harvester.sources.ids import Texts
from harvester.sources.layout import (
    HEAD_BYTES,
    Format,
    find_header,
    format_of,
    is_parquet,
    is_table,
    no_such_column,
    refuse_foreign,
)
from harvester.sources.lines import line_texts
from harvester.sources.packing import peek, unpacked
from harvester.sources.parquet import parquet_texts, seekable
from harvester.sources.plain import plain_texts
from harvester.sources.source import Source

HELD_ROWS = 250_000
"""A chunk of anything but plain CSV holds the texts of all its rows, so it is of no more than this."""


def read_texts(source: Source, column: str, chunk_rows: int, *, every_row: bool) -> Iterator[Texts]:
    """The rows of the column, or the lines where there are no columns, in the order of the source.

    Unless `every_row` is wanted, texts that came before may be left out.
    """
    blocks, packed = unpacked(source)
    head, blocks = peek(blocks, HEAD_BYTES)
    if is_parquet(head):
        with seekable(source, blocks, packed=packed) as file:
            yield from parquet_texts(file, column, source.shown, min(chunk_rows, HELD_ROWS))
    else:
        yield from _texts(head, blocks, source, column, chunk_rows, every_row)


def _texts(
    head: bytes, blocks: Iterator[bytes], source: Source, column: str, chunk_rows: int, every_row: bool
) -> Iterator[Texts]:
    """A header that names the column makes a table, whatever the source is called."""
    refuse_foreign(head, source.shown)
    named = format_of(source.path)
    if named is Format.PARQUET:
        raise ConfigError(f"{source.shown} is named as Parquet, but is not.", next_step="Name another source.")
    if header := find_header(head, column, source.path):
        return plain_texts(_without(blocks, header.size), header, source.shown, chunk_rows, every_row=every_row)
    if named is Format.TABLE or is_table(head, source.path):
        raise no_such_column(head, column, source.path, source.shown)
    mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    return line_texts(_without(blocks, mark), min(chunk_rows, HELD_ROWS))


def _without(blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    return chain([next(blocks, b"")[size:]], blocks)
