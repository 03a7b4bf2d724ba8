"""The table of all formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, TypeAlias

from harvester.errors import ConfigError
from harvester.export.counters import Counters
from harvester.ledger.reader import LedgerReader
from harvester.model import Span
from harvester.support.file_endings import COMPRESSED_WITHIN
from harvester.support.sanitize import shown

Assemble: TypeAlias = Callable[[LedgerReader, Span, Counters], Iterator[bytes]]

_FRAME_BYTES = 64
"""An upper limit of what brackets, commas and gzip members add to a body."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format: how the videos of a span become the bytes of a file, and its content type.

    `content_type` is that of the stored file. A gzip file is `application/gzip`, never JSON with `Content-Encoding:
    gzip`: curl and some browsers would decode only its first member, and boto3, s3fs, pandas, Spark and Athena go by
    the file's name.
    """

    assemble: Assemble
    suffix: str
    """The ending by which readers recognise the file and parts."""
    content_type: str
    whole_responses: bool = False
    """Whether it holds whole responses, not videos."""
    compressed: bool = True
    stable: bool = True
    """Whether every version of every library gives the same bytes."""
    differences: Callable[[BinaryIO, LedgerReader], Iterator[str]] | None = None
    """Yields the differences between such a file and the ledger; None if its bytes are compared."""
    made_with: Callable[[], str] | None = None
    """The library whose version changes the bytes, for the manifest."""
    one_file: bool = False
    """Whether it can be neither cut into parts nor streamed."""

    def expected_bytes(self, responses: int, raw_bytes: int, stored_bytes: int) -> int:
        """Estimate the bytes of a file with these responses."""
        return responses * _FRAME_BYTES + (stored_bytes if self.compressed else raw_bytes)


def _json(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    from harvester.export.formats.json_responses import json_array

    return json_array(counters.over(reader.responses(span)))


def _json_gzip(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    from harvester.export.formats.json_responses import json_array_gzip

    return json_array_gzip(counters.over(reader.responses(span)))


def _jsonl(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    from harvester.export.formats.jsonl import json_lines

    return json_lines(reader, span, counters)


def _csv(reader: LedgerReader, span: Span, counters: Counters, *, safe: bool = False) -> Iterator[bytes]:
    from harvester.export.formats.csv import csv_file

    return csv_file(reader, span, counters, safe=safe)


def _gzipped(assemble: Assemble) -> Assemble:
    def packed(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
        from harvester.export.compression import gzipped

        return gzipped(assemble(reader, span, counters))

    return packed


def _in_zstd(assemble: Assemble) -> Assemble:
    def packed(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
        from harvester.export.compression import zstandard_frame

        return zstandard_frame(assemble(reader, span, counters))

    return packed


def _parquet(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    from harvester.export.formats.parquet import parquet_file

    return parquet_file(reader, span, counters)


def _sqlite(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    from harvester.export.formats.sqlite import sqlite_file

    return sqlite_file(reader, span, counters)


def _sqlite_differences(file: BinaryIO, reader: LedgerReader) -> Iterator[str]:
    from harvester.export.formats.sqlite_check import differences

    return differences(file, reader)


def _sqlite_made_with() -> str:
    from harvester.export.formats.sqlite import made_with

    return made_with()


_GZIP, _ZSTD = "application/gzip", "application/zstd"
_CSV: dict[str, Assemble] = {"csv": _csv, "csv-safe": partial(_csv, safe=True)}
FORMATS: dict[tuple[str, str], Format] = {
    ("json", "none"): Format(_json, ".json", "application/json", whole_responses=True, compressed=False),
    ("json", "gzip"): Format(_json_gzip, ".json.gz", _GZIP, whole_responses=True),
    ("json", "zstd"): Format(_in_zstd(_json), ".json.zst", _ZSTD, whole_responses=True, stable=False),
    ("jsonl", "none"): Format(_jsonl, ".jsonl", "application/x-ndjson", compressed=False),
    ("jsonl", "gzip"): Format(_gzipped(_jsonl), ".jsonl.gz", _GZIP, stable=False),
    ("jsonl", "zstd"): Format(_in_zstd(_jsonl), ".jsonl.zst", _ZSTD, stable=False),
    ("parquet", "none"): Format(_parquet, ".parquet", "application/vnd.apache.parquet", stable=False),
    ("sqlite", "none"): Format(
        _sqlite,
        ".sqlite",
        "application/vnd.sqlite3",
        compressed=False,
        stable=False,
        differences=_sqlite_differences,
        made_with=_sqlite_made_with,
        one_file=True,
    ),
}
FORMATS |= {(name, "none"): Format(each, ".csv", "text/csv", compressed=False) for name, each in _CSV.items()}
FORMATS |= {(name, "gzip"): Format(_gzipped(each), ".csv.gz", _GZIP, stable=False) for name, each in _CSV.items()}
FORMATS |= {(name, "zstd"): Format(_in_zstd(each), ".csv.zst", _ZSTD, stable=False) for name, each in _CSV.items()}
"""By format and compression, named as in settings and manifest."""


def format_of(name: str, compression: str) -> Format:
    """Return a format. Raises ConfigError if there is none of that name and compression."""
    try:
        return FORMATS[name, compression]
    except KeyError:
        what = f"There is no export of {shown(name, 40)!r} with compression {shown(compression, 40)!r}."
        why = COMPRESSED_WITHIN.get(name)
        hint = f"{why} Leave --compression out." if why else ""
        raise ConfigError(what, state="Nothing was written.", next_step=hint) from None
