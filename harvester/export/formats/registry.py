"""The table of all formats. Which one the name of a destination means: `support/export_file_names.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pkgutil import resolve_name
from typing import Any, BinaryIO, Literal, TypeAlias

from harvester.errors import ConfigError
from harvester.export.compression import gzipped, zstandard_frame
from harvester.export.counters import Counters
from harvester.ledger.reader import LedgerReader
from harvester.model import Span
from harvester.support.export_file_names import COMPRESSED_WITHIN
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


def _of(name: str, **how: Any) -> Callable[..., Any]:
    """The function `module:function` of this folder, imported when it is called: an export needs one format only."""

    def call(*arguments: Any) -> Any:
        return resolve_name(f"harvester.export.formats.{name}")(*arguments, **how)

    return call


def _packed(compress: Callable[[Iterator[bytes]], Iterator[bytes]], assemble: Assemble) -> Assemble:
    return lambda reader, span, counters: compress(assemble(reader, span, counters))


_GZIP, _ZSTD = "application/gzip", "application/zstd"


def _text_formats(name: str, assemble: Assemble, suffix: str, content_type: str) -> dict[tuple[str, str], Format]:
    """The format as it is, and compressed anew, by versions of libraries that may differ."""
    return {
        (name, "none"): Format(assemble, suffix, content_type, compressed=False),
        (name, "gzip"): Format(_packed(gzipped, assemble), f"{suffix}.gz", _GZIP, stable=False),
        (name, "zstd"): Format(_packed(zstandard_frame, assemble), f"{suffix}.zst", _ZSTD, stable=False),
    }


def _row_formats(lines: str, csv: str, parquet: str, sqlite: str, differences: str) -> dict[tuple[str, str], Format]:
    """The formats of one table, by the names of their functions."""
    return {
        **_text_formats("jsonl", _of(lines), ".jsonl", "application/x-ndjson"),
        **_text_formats("csv", _of(csv), ".csv", "text/csv"),
        **_text_formats("csv-safe", _of(csv, safe=True), ".csv", "text/csv"),
        ("parquet", "none"): Format(_of(parquet), ".parquet", "application/vnd.apache.parquet", stable=False),
        ("sqlite", "none"): Format(
            _of(sqlite),
            ".sqlite",
            "application/vnd.sqlite3",
            compressed=False,
            stable=False,
            differences=_of(differences),
            made_with=_of("sqlite.write_database:made_with"),
            one_file=True,
        ),
    }


_json = _text_formats("json", _of("json_responses:json_file"), ".json", "application/json") | {
    ("json", "gzip"): Format(_of("json_responses:json_gzip_file"), ".json.gz", _GZIP)
}
FORMATS: dict[tuple[str, str], Format] = {
    **{name: replace(form, whole_responses=True) for name, form in _json.items()},
    **_row_formats(
        "jsonl:json_lines",
        "csv.write_csv:csv_file",
        "parquet:parquet_file",
        "sqlite.write_database:sqlite_file",
        "sqlite.verify_database:differences",
    ),
}
"""By format and compression, named as in settings and manifest."""
STATISTICS = _row_formats(
    "statistics:json_lines",
    "statistics:csv_file",
    "parquet:statistics_file",
    "sqlite.write_database:statistics_file",
    "sqlite.verify_database:statistics_differences",
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
