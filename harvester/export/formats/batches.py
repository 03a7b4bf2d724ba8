"""The fetched videos as batches of columns, in load order: what every format of tables is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import pyarrow as pa

from harvester.export.counters import Counters
from harvester.export.formats.arrow_reader import ArrowReader
from harvester.export.formats.rows import ROWS_AT_ONCE, Lines, video_lines
from harvester.export.prefetch import ahead
from harvester.ledger.reader import LedgerReader
from harvester.model import Span

T = TypeVar("T")

BATCH_ROWS = 2 * ROWS_AT_ONCE
"""As text and as columns about 2.5 MB each; larger ones are hardly faster."""
UNDER_WAY = 1
"""Batches that are made while the next lines are cut out. With two, 35 MB and a tenth of the CPU time more."""


def batches(
    reader: LedgerReader, span: Span, counters: Counters, batch_rows: int = BATCH_ROWS, under_way: int = UNDER_WAY
) -> Iterator[pa.RecordBatch]:
    """So many videos each, but for the last."""
    return made_of_batches(reader, span, counters, lambda batch: batch, batch_rows, under_way)


def made_of_batches(
    reader: LedgerReader,
    span: Span,
    counters: Counters,
    make: Callable[[pa.RecordBatch], T],
    batch_rows: int = BATCH_ROWS,
    under_way: int = UNDER_WAY,
) -> Iterator[T]:
    """What `make` makes of each batch: in other threads as the batches are, for Arrow releases Python's lock."""
    arrow = ArrowReader()

    def made(lines: Lines) -> tuple[int, T]:
        return len(lines.videos), make(arrow.batch(lines))

    for videos, each in ahead(made, _gathered(video_lines(reader, span), batch_rows), depth=under_way):
        counters.videos += videos
        yield each


def _gathered(chunks: Iterator[Lines], rows: int) -> Iterator[Lines]:
    gathered = Lines([], [])
    for lines in chunks:
        gathered = Lines(gathered.videos + lines.videos, gathered.fetched_at + lines.fetched_at)
        if len(gathered.videos) >= rows:
            yield gathered
            gathered = Lines([], [])
    if gathered.videos:
        yield gathered
