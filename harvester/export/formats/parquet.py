"""`parquet`: one video a row, flattened and typed, as `columns` says."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from harvester.export.counters import Counters
from harvester.export.formats.columns import Row, batch, schema
from harvester.export.formats.rows import fetched_videos
from harvester.export.formats.unknown_fields import Decoded, decode_video
from harvester.export.formats.video import Video
from harvester.ledger.protocol import LedgerReader
from harvester.model import Span

BATCH_ROWS = 1000
"""Converted at once: so many hold as Python objects no more than their JSON does."""
ROW_GROUP_ROWS = 10_000
"""About 40 MB as columns in memory: enough for readers to skip by, and bounded for the writer."""


class _Page(msgspec.Struct):
    items: list[Video]


class _LoosePage(msgspec.Struct):
    items: list[msgspec.Raw]


_page = msgspec.json.Decoder(_Page, strict=False)
_loose_page = msgspec.json.Decoder(_LoosePage)


def parquet_file(books: LedgerReader, span: Span, tally: Counters) -> Iterator[bytes]:
    """The fetched videos of the span in load order, as one Parquet file.

    A row group is compressed in a thread of its own while the next one is read.
    """
    sink = _Sink()
    with (
        pq.ParquetWriter(sink, schema(), compression="zstd", use_dictionary=_DICTIONARY) as writer,
        ThreadPoolExecutor(1, thread_name_prefix="export-parquet") as other,
    ):
        written: Future[None] | None = None
        for group in _row_groups(books, span, tally):
            if written is not None:
                written.result()
                yield from sink.taken()
            written = other.submit(writer.write_table, group, row_group_size=2 * ROW_GROUP_ROWS)
        if written is not None:
            written.result()
    yield from sink.taken()


def _row_groups(books: LedgerReader, span: Span, tally: Counters) -> Iterator[pa.Table]:
    group: list[pa.RecordBatch] = []
    for rows in batches(books, span, tally):
        group.append(rows)
        if len(group) * BATCH_ROWS >= ROW_GROUP_ROWS:
            yield pa.Table.from_batches(group)
            group.clear()
    if group:
        yield pa.Table.from_batches(group)


def batches(books: LedgerReader, span: Span, tally: Counters) -> Iterator[pa.RecordBatch]:
    """The fetched videos of the span in load order, BATCH_ROWS at a time."""
    for rows in _in_batches(fetched_videos(books, span, _videos)):
        tally.videos += len(rows)
        yield batch(rows)


def _videos(plain: bytes) -> dict[str, Decoded]:
    """The videos of a response by id: all at once, or one by one where something in them is unknown."""
    try:
        return {video.id: (video, None) for video in _page.decode(plain).items}
    except ValueError:
        videos = [decode_video(raw) for raw in _loose_page.decode(plain).items]
    return {video.id: (video, rest) for video, rest in videos}


def _in_batches(chunks: Iterable[list[tuple[Decoded, Any]]]) -> Iterator[list[Row]]:
    rows: list[Row] = []
    for chunk in chunks:
        rows += [Row(video, rest, fetched_at) for (video, rest), fetched_at in chunk]
        if len(rows) >= BATCH_ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


class _Sink(io.RawIOBase):
    """A file that hands on what was written to it."""

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


# Texts that hardly repeat are only slowed down by an attempt at a dictionary.
_UNIQUE = ("id", "etag", "snippet_title", "snippet_description", "other_json")
_DICTIONARY = [
    name for name in schema().names if name not in _UNIQUE and not name.startswith(("snippet_localized", "snippet_thu"))
]
