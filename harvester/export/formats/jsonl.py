"""`jsonl`: one video a line, as the API sent it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harvester.export.counters import Counters
from harvester.export.formats.stored_videos import video_lines
from harvester.model import Span

if TYPE_CHECKING:
    from harvester.ledger.reader import LedgerReader


def json_lines(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    """Yield the lines, some hundred at a time."""
    for lines in video_lines(reader, span):
        counters.videos += len(lines.videos)
        yield b"\n".join([*lines.videos, b""])
