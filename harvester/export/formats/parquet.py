"""`parquet`: one video a row, with the columns of `columns`."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.export.counters import Counters
from harvester.export.formats.arrow_reader import ArrowReader
from harvester.export.formats.arrow_schema import TIMESTAMP, schema, schema_of
from harvester.export.formats.statistics import COLUMNS, statistics_rows
from harvester.export.formats.stored_videos import made_of_videos
from harvester.export.formats.table_rows import Row
from harvester.ledger.reader import LedgerReader
from harvester.model import Span

BATCH_ROWS = 1_000
"""Rows written at once; another number would change the file's pages."""
ROW_GROUP_ROWS = 10_000
"""About 40 MB in memory: large enough for readers to skip, and bounded for the writer."""

STATISTICS_ROWS = 50_000
"""The same for the table of statistics, whose rows are short."""


def parquet_file(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    """Yield the fetched videos of the span in load order, as one Parquet file."""
    return parquet_table(schema(), _row_groups(reader, span, counters))


def statistics_file(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    """Yield the table of statistics as one Parquet file."""
    columns = schema_of(COLUMNS)

    def group(rows: list[Row]) -> pa.Table:
        values = dict(zip(columns.names, zip(*rows, strict=True), strict=True))
        values["fetched_at"] = pa.array(values["fetched_at"]).cast(TIMESTAMP)
        return pa.table([pa.array(values[field.name], field.type) for field in columns], schema=columns)

    groups = map(group, statistics_rows(reader, counters, STATISTICS_ROWS))
    return parquet_table(columns, groups, dictionary=["fetched_at"])


def parquet_table(
    columns: pa.Schema, groups: Iterable[pa.Table], dictionary: bool | list[str] = True
) -> Iterator[bytes]:
    """Yield a Parquet file of these row groups. `dictionary`: the columns whose values may repeat, by default all.

    A row group is compressed in a thread of its own while the next one is read.
    """
    sink = _Sink()
    with (
        pq.ParquetWriter(sink, columns, compression="zstd", use_dictionary=dictionary) as writer,
        ThreadPoolExecutor(1, thread_name_prefix="export-parquet") as other,
    ):
        written: Future[None] | None = None
        for group in groups:
            if written is not None:
                written.result()
                yield from sink.taken()
            written = other.submit(writer.write_table, group, row_group_size=len(group))
        if written is not None:
            written.result()
    yield from sink.taken()


def _row_groups(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[pa.Table]:
    group: list[pa.RecordBatch] = []
    for rows in made_of_videos(reader, span, counters, ArrowReader().batch, BATCH_ROWS):
        group.append(rows)
        if len(group) * BATCH_ROWS >= ROW_GROUP_ROWS:
            yield pa.Table.from_batches(group)
            group = []
    if group:
        yield pa.Table.from_batches(group)


class _Sink(io.RawIOBase):
    """A file whose written bytes are taken from it."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._held.append(bytes(data))
        return len(data)

    def taken(self) -> list[bytes]:
        held, self._held = self._held, []
        return held
