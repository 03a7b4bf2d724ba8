"""`jsonl`: one video resource a line, as the API sent it."""

from __future__ import annotations

from collections.abc import Iterator

from harvester.export.counters import Counters
from harvester.export.formats.rows import video_lines
from harvester.ledger.reader import LedgerReader
from harvester.model import Span


def json_lines(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    """Yield the fetched videos of the span in load order, some hundred lines at a time."""
    for lines in video_lines(reader, span):
        counters.videos += len(lines.videos)
        yield lines.text()
