"""Read the ids of a published file, as its readers would."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

import msgspec
from isal import igzip

from harvester.errors import HarvesterError
from harvester.export.json_array_reader import MAX_ENTRY_CHARACTERS, STEP_CHARACTERS, Unreadable, array_entries


class _Item(msgspec.Struct):
    id: str


def ids_in(file: BinaryIO, name: str, compression: str) -> Iterator[str]:
    """Yield every video's id, in the order of the file, in bounded memory. Raises Unreadable."""
    try:
        yield from _READERS[name](_unpacked(file, compression))
    except (Unreadable, HarvesterError):
        raise
    except Exception as error:  # errors of zlib, zstandard and Arrow have no common base
        raise Unreadable(str(error) or type(error).__name__) from error


def _unpacked(file: BinaryIO, compression: str) -> BinaryIO:
    if compression == "gzip":
        return cast(BinaryIO, igzip.GzipFile(fileobj=file))  # type: ignore[no-untyped-call]
    if compression == "zstd":
        import zstandard

        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file, closefd=False), STEP_CHARACTERS)
    return file


def _of_json(file: BinaryIO) -> Iterator[str]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        for ids in array_entries(text):
            yield from ids
    finally:
        text.detach()  # the file is closed by who opened it


def _of_jsonl(file: BinaryIO) -> Iterator[str]:
    decoder = msgspec.json.Decoder(_Item)
    while line := file.readline(MAX_ENTRY_CHARACTERS):
        if not line.endswith(b"\n"):
            raise Unreadable("its last line is cut")
        yield decoder.decode(line).id


def _of_csv(file: BinaryIO) -> Iterator[str]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    limit = csv.field_size_limit(MAX_ENTRY_CHARACTERS)
    try:
        rows = csv.reader(text, strict=True)
        header = next(rows, [])
        if "id" not in header:
            raise Unreadable("it has no column of ids")
        place = header.index("id")
        for row in rows:
            if len(row) != len(header):
                raise Unreadable(f"a row that ends in line {rows.line_num} has not as many cells as its header")
            yield row[place]
    finally:
        csv.field_size_limit(limit)
        text.detach()  # the file is closed by who opened it


def _of_safe_csv(file: BinaryIO) -> Iterator[str]:
    """Remove the apostrophes of csv-safe: no id begins with one."""
    return (video_id.removeprefix("'") for video_id in _of_csv(file))


def _of_parquet(file: BinaryIO) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(file, pre_buffer=False) as table:
        for batch in table.iter_batches(columns=["id"]):
            if not batch.num_columns or not pa.types.is_string(batch.schema.field(0).type):
                raise Unreadable("it has no column of ids")
            for video_id in batch.column(0).to_pylist():
                if video_id is None:
                    raise Unreadable("a video in it has no id")
                yield video_id


def _of_sqlite(file: BinaryIO) -> Iterator[str]:
    from harvester.export.formats.sqlite.verify_database import ids_in_database

    return ids_in_database(file)


_READERS: dict[str, Callable[[BinaryIO], Iterator[str]]] = {
    "json": _of_json,
    "jsonl": _of_jsonl,
    "csv": _of_csv,
    "csv-safe": _of_safe_csv,
    "parquet": _of_parquet,
    "sqlite": _of_sqlite,
}
