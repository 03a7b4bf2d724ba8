"""The table `statistics`: a row for each fetch of a video's counts, from every stored answer that holds any.

Rows are in the order of the calls, which for each video is that of time; within an answer, as the API sent them. So an
export reads one answer at a time, however long the history is.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import msgspec

from harvester.export.counters import Counters
from harvester.export.formats.csv.cells import ROWS_IN_A_PIECE, csv_table
from harvester.export.formats.stored_videos import Items
from harvester.export.formats.table_rows import Row, isoformat
from harvester.export.formats.unknown_fields import fit
from harvester.export.formats.video_fields import Count, Moment, Statistics
from harvester.export.verified_body import damaged, plain_body
from harvester.ledger.reader import LedgerReader
from harvester.model import Span, StoredResponse
from harvester.support.json_text import parse_text

COUNTS = ("viewCount", "likeCount", "commentCount", "dislikeCount", "favoriteCount")
COLUMNS: tuple[tuple[str, Any], ...] = (
    ("id", str),
    ("fetched_at", Moment),
    *((name, Count) for name in COUNTS),
    ("other_json", str),
)
"""Name and kind of each column. `other_json` holds counts above int64, and fields that the API does not document."""
NAMES = tuple(name for name, _ in COLUMNS)
_values = attrgetter(*COUNTS)


class _Item(msgspec.Struct):
    id: str
    statistics: msgspec.Raw = msgspec.Raw(b"null")


_answer = msgspec.json.Decoder(Items[_Item])
_counts = msgspec.json.Decoder(Statistics, strict=False)


def statistics_rows(reader: LedgerReader, counters: Counters, size: int = ROWS_IN_A_PIECE) -> Iterator[list[Row]]:
    """Yield all rows, at least `size` at a time; times are text. Raises LedgerDamaged if a stored body is damaged."""
    rows: list[Row] = []
    for response in reader.history():
        rows += _rows(response)
        if len(rows) >= size:
            counters.videos += len(rows)
            yield rows
            rows = []
    if rows:
        counters.videos += len(rows)
        yield rows


def _rows(response: StoredResponse) -> list[Row]:
    plain, at = plain_body(response), isoformat(response.fetched_at)
    try:
        items = parse_text(_answer.decode, plain).items
        return [_row(item, at) for item in items if bytes(item.statistics) != b"null"]
    except (ValueError, RecursionError) as error:
        raise damaged(response, f"it is no list of videos ({error})") from error


def _row(item: _Item, at: str) -> Row:
    try:
        return (item.id, at, *_values(_counts.decode(item.statistics)), None)
    except (ValueError, RecursionError):
        known, rest = fit(item.statistics, Statistics)
    return (item.id, at, *_values(known or Statistics()), msgspec.json.encode(rest).decode() if rest else None)


def json_lines(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    """Yield the table as one object a line, without the fields that are null."""
    for rows in statistics_rows(reader, counters):
        objects = [{name: value for name, value in zip(NAMES, row, strict=True) if value is not None} for row in rows]
        yield msgspec.json.Encoder().encode_lines(objects)


def csv_file(reader: LedgerReader, span: Span, counters: Counters, *, safe: bool = False) -> Iterator[bytes]:
    """Yield the table as CSV. If `safe`, no text begins like a formula."""
    yield from csv_table(COLUMNS, statistics_rows(reader, counters), safe=safe)
