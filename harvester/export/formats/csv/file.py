"""`csv`: one video a row, by RFC 4180; the scalar columns of Parquet, and lists of texts as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Raw

from harvester.export.counters import Counters
from harvester.export.formats.csv.cells import END, ROWS_IN_A_PIECE, cells_of, header
from harvester.export.formats.csv.usual import usual_rows
from harvester.export.formats.rows import Excerpt, Lines, excerpts, on_one_line, pages
from harvester.export.formats.table_rows import TABLE_COLUMNS, table_rows
from harvester.export.worker_processes import in_processes
from harvester.model import EVERYTHING, Span

if TYPE_CHECKING:
    from harvester.ledger.reader import LedgerReader

HEADER = header(TABLE_COLUMNS)


def csv_file(reader: LedgerReader, span: Span, counters: Counters, *, safe: bool = False) -> Iterator[bytes]:
    """Yield the fetched videos of the span in load order. If `safe`, no text begins like a formula."""
    yield HEADER
    # Closed here, before the ledger is, also if a result is not awaited any more.
    with closing(excerpts(reader, span, ROWS_IN_A_PIECE)) as items:
        for videos, text in in_processes(partial(text_of, safe=safe), items):
            counters.videos += videos
            yield text


def text_of(excerpt: Excerpt, *, safe: bool) -> tuple[int, bytes]:
    """Return the number of videos, and their rows."""
    rows: list[bytes] = []
    for ids, held in pages(excerpt, EVERYTHING, partial(usual_rows, safe=safe)):
        for video_id, call_id in ids:
            row = held[call_id].find(video_id, call_id)
            if isinstance(row, Raw):
                row = row_by_fields(on_one_line(row), held[call_id].fetched_at, safe=safe)
            rows.append(row)
    return len(rows), b"".join(rows)


def row_by_fields(line: bytes, fetched_at: datetime, *, safe: bool) -> bytes:
    """Return the row of any video, with its line end. Raises LedgerDamaged if it is none."""
    (row,) = table_rows(Lines([line], [fetched_at]))
    return ",".join(cells_of(row, safe=safe)).encode() + END
