"""Read a column of Parquet by pyarrow, batch by batch. It needs to seek, so a stream is copied to a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.errors import ConfigError, SourceUnavailable
from harvester.sources.classify_ids import Texts
from harvester.sources.header import Wanted, column_missing, columns_of_one_name
from harvester.sources.source import Source
from harvester.sources.video_id import INVISIBLE

READ_BYTES = 1 << 20
HINT = "Name the column of the ids: harvester load --column NAME."


@contextmanager
def _seekable(source: Source, blocks: Iterator[bytes], *, packed: bool) -> Iterator[IO[bytes]]:
    """Yield the source as a seekable file: itself, or a temporary copy."""
    if not packed and source.seekable():
        source.seek(0)
        yield cast("IO[bytes]", source)
        return
    with tempfile.TemporaryFile() as copy:
        try:
            for block in blocks:
                copy.write(block)
            copy.seek(0)
        except OSError as error:
            raise SourceUnavailable(
                f"Parquet from a stream is copied to {tempfile.gettempdir()} first, and that failed: {error.strerror}.",
                next_step="Make room there, or set TMPDIR to a folder with room; then load again.",
            ) from error
        yield copy


def parquet_texts(
    source: Source, blocks: Iterator[bytes], wanted: Wanted, chunk_rows: int, *, packed: bool
) -> Iterator[Texts]:
    """Yield a column of a Parquet file, as text; a null is the empty text. `packed`: the source is, not `blocks`."""
    shown = source.shown
    with _seekable(source, blocks, packed=packed) as file:
        try:
            # a buffer, so that a row group is not read whole
            with pq.ParquetFile(file, buffer_size=READ_BYTES) as table:
                name = _column(table.schema_arrow, wanted, shown)
                for batch in table.iter_batches(batch_size=chunk_rows, columns=[name]):
                    yield Texts(batch.num_rows, _texts(batch.column(0)))
        except pa.ArrowNotImplementedError as error:
            raise ConfigError(f"{shown} cannot be read as text: {_first_line(error)}.", next_step=HINT) from error
        except (pa.ArrowException, OSError) as error:
            raise SourceUnavailable(
                f"{shown} is Parquet, but damaged, or the source ended in the middle: {_first_line(error)}.",
                next_step="Fetch or write the file again, then run harvester load again.",
            ) from error


def _column(schema: pa.Schema, wanted: Wanted, shown: str) -> str:
    """Return the column's name as the file spells it, perhaps with white space around it."""
    column, names = wanted.column, schema.names
    if column not in names and 0 < wanted.number <= len(names):
        column = names[wanted.number - 1]
    name = column if column in names else next((n for n in names if n.strip(INVISIBLE) == column), None)
    if name is None:
        raise column_missing(names, column, shown, HINT)
    if names.count(name) > 1:
        numbers = [number for number, text in enumerate(names, 1) if text == name]
        raise columns_of_one_name(name, numbers, shown, "Give the others another name where the file is written.")
    if pa.types.is_nested(schema.field(name).type):
        raise ConfigError(
            f"Column {column!r} of {shown} is of type {schema.field(name).type}, not text.", next_step=HINT
        )
    return str(name)


def _texts(values: Any) -> list[str]:
    """Return any flat column as valid Unicode text, which pyarrow does not check."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if not _is_bytes(values.type):
        values = values.cast(pa.string())
    as_bytes = values.cast(pa.large_binary())
    try:
        texts: list[str] = as_bytes.cast(pa.large_string()).fill_null("").to_pylist()
    except pa.ArrowInvalid:
        texts = [(value or b"").decode(errors="replace") for value in as_bytes.to_pylist()]
    return texts


def _is_bytes(kind: Any) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(test(kind) for test in tests)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
