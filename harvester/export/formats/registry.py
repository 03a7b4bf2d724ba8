"""The table of all formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, BinaryIO, Literal, TypeAlias

from harvester.errors import ConfigError
from harvester.export.counters import Counters
from harvester.ledger.reader import LedgerReader
from harvester.model import Span
from harvester.support.file_endings import COMPRESSED_WITHIN
from harvester.support.sanitize import shown

Assemble: TypeAlias = Callable[[LedgerReader, Span, Counters], Iterator[bytes]]
Differences: TypeAlias = Callable[[BinaryIO, LedgerReader], Iterator[str]]
Table: TypeAlias = Literal["videos", "statistics"]

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
    differences: Differences | None = None
    """Yields the differences between such a file and the ledger; None if its bytes are compared."""
    made_with: Callable[[], str] | None = None
    """The library whose version changes the bytes, for the manifest."""
    one_file: bool = False
    """Whether it can be neither cut into parts nor streamed."""

    def expected_bytes(self, responses: int, raw_bytes: int, stored_bytes: int) -> int:
        """Estimate the bytes of a file with these responses."""
        return responses * _FRAME_BYTES + (stored_bytes if self.compressed else raw_bytes)


def _of(module: str, function: str, **how: Any) -> Assemble:
    """The function of that module, imported when it is called: an export needs one format only."""

    def assemble(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
        chosen: Assemble = getattr(import_module(f"harvester.export.formats.{module}"), function)
        return chosen(reader, span, counters, **how)

    return assemble


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


def _sqlite_differences(file: BinaryIO, reader: LedgerReader) -> Iterator[str]:
    from harvester.export.formats.sqlite.check import differences

    return differences(file, reader)


def _statistics_differences(file: BinaryIO, reader: LedgerReader) -> Iterator[str]:
    from harvester.export.formats.sqlite.check import statistics_differences

    return statistics_differences(file, reader)


def _sqlite_made_with() -> str:
    from harvester.export.formats.sqlite.file import made_with

    return made_with()


_GZIP, _ZSTD = "application/gzip", "application/zstd"


def _text_formats(name: str, assemble: Assemble, suffix: str, content_type: str) -> dict[tuple[str, str], Format]:
    """The format as it is, and compressed anew, by versions of libraries that may differ."""
    return {
        (name, "none"): Format(assemble, suffix, content_type, compressed=False),
        (name, "gzip"): Format(_gzipped(assemble), f"{suffix}.gz", _GZIP, stable=False),
        (name, "zstd"): Format(_in_zstd(assemble), f"{suffix}.zst", _ZSTD, stable=False),
    }


def _row_formats(
    lines: Assemble, csv: Assemble, safe_csv: Assemble, parquet: Assemble, sqlite: Assemble, differences: Differences
) -> dict[tuple[str, str], Format]:
    """The formats of one table."""
    database = Format(sqlite, ".sqlite", "application/vnd.sqlite3", compressed=False, stable=False, one_file=True)
    return {
        **_text_formats("jsonl", lines, ".jsonl", "application/x-ndjson"),
        **_text_formats("csv", csv, ".csv", "text/csv"),
        **_text_formats("csv-safe", safe_csv, ".csv", "text/csv"),
        ("parquet", "none"): Format(parquet, ".parquet", "application/vnd.apache.parquet", stable=False),
        ("sqlite", "none"): replace(database, differences=differences, made_with=_sqlite_made_with),
    }


_json = _of("json_responses", "json_file")
FORMATS: dict[tuple[str, str], Format] = {
    ("json", "none"): Format(_json, ".json", "application/json", whole_responses=True, compressed=False),
    ("json", "gzip"): Format(_of("json_responses", "json_gzip_file"), ".json.gz", _GZIP, whole_responses=True),
    ("json", "zstd"): Format(_in_zstd(_json), ".json.zst", _ZSTD, whole_responses=True, stable=False),
    **_row_formats(
        _of("jsonl", "json_lines"),
        _of("csv.file", "csv_file"),
        _of("csv.file", "csv_file", safe=True),
        _of("parquet", "parquet_file"),
        _of("sqlite.file", "sqlite_file"),
        _sqlite_differences,
    ),
}
"""By format and compression, named as in settings and manifest."""
STATISTICS = _row_formats(
    _of("statistics.table", "json_lines"),
    _of("statistics.table", "csv_file"),
    _of("statistics.table", "csv_file", safe=True),
    _of("parquet", "statistics_file"),
    _of("sqlite.file", "statistics_file"),
    _statistics_differences,
)
"""The same for the table of statistics."""


def format_of(name: str, compression: str, table: Table = "videos") -> Format:
    """Return a format. Raises ConfigError if there is none of that name and compression."""
    try:
        return (FORMATS if table == "videos" else STATISTICS)[name, compression]
    except KeyError:
        pass
    if table != "videos" and name == "json":
        raise ConfigError(
            "json holds the API's responses, and statistics are a table.",
            state="Nothing was written.",
            next_step="Name a file that ends in .csv, .jsonl, .parquet or .db, or add --format csv.",
        )
    what = f"There is no export of {shown(name, 40)!r} with compression {shown(compression, 40)!r}."
    why = COMPRESSED_WITHIN.get(name)
    hint = f"{why} Leave --compression out." if why else ""
    raise ConfigError(what, state="Nothing was written.", next_step=hint)
