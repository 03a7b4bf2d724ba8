"""`jsonl`: one video resource a line, as the API sent it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from harvester.export.counters import Counters
from harvester.export.formats.rows import fetched_videos
from harvester.ledger.protocol import LedgerReader
from harvester.model import Span


class _Item(msgspec.Struct):
    id: str


class _Ids(msgspec.Struct):
    items: list[_Item]


class _Raws(msgspec.Struct):
    items: list[msgspec.Raw]


_ids = msgspec.json.Decoder(_Ids)
_raws = msgspec.json.Decoder(_Raws)


def raw_videos(plain: bytes) -> dict[str, bytes]:
    """The video resources of a response by id, each just as it was sent."""
    items = _raws.decode(plain).items
    return {item.id: bytes(raw) for item, raw in zip(_ids.decode(plain).items, items, strict=True)}


def json_lines(books: LedgerReader, span: Span, tally: Counters) -> Iterator[bytes]:
    """The fetched videos of the span in load order, some hundreds of lines at a time."""
    for videos in fetched_videos(books, span, raw_videos):
        tally.videos += len(videos)
        yield b"".join([_line(raw) for raw, _ in videos])


def _line(raw: bytes) -> bytes:
    # Line breaks stand only between tokens: within a JSON string they are escaped.
    return (raw if b"\n" not in raw and b"\r" not in raw else msgspec.json.format(raw, indent=-1)) + b"\n"
