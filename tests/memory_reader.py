"""A ledger's reading side, held in memory, as far as an export needs one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache

from harvester.ledger.records import LoadRecord, PartsAsked
from harvester.model import (
    EVERYTHING,
    Progress,
    ResponseSize,
    Span,
    StoredResponse,
    VideoState,
)
from harvester.support.gzip_body import decompress


class MemoryReader:
    """Each item of a response stands at a position of its own, from the response's first one on."""

    def __init__(self, responses: list[StoredResponse], **counts: int) -> None:
        self.stored = responses
        self.known = {item["id"] for response in self.stored for item in _items(response)}
        fetched = sum(response.body.item_count for response in responses)
        states = {"fetched": fetched} | counts
        self.loaded: list[LoadRecord] = []
        self.videos = {state: states.get(state.label, 0) for state in VideoState}

    def progress(self) -> Progress:
        return Progress(self.videos, ())

    def last_position(self) -> int:
        return sum(self.videos.values())

    def loads(self) -> list[LoadRecord]:
        return self.loaded

    def parts_asked(self) -> list[PartsAsked]:
        return [PartsAsked("snippet,statistics", len(self.stored))] if self.stored else []

    def responses(self, span: Span = EVERYTHING) -> Iterator[StoredResponse]:
        yield from (response for response in self.stored if response.first_position in span)

    def sizes(self) -> Iterator[ResponseSize]:
        for response in self.stored:
            body = response.body
            yield ResponseSize(response.first_position, body.raw_bytes, len(body.data), body.sha256)

    def totals(self) -> tuple[int, int, int]:
        sizes = list(self.sizes())
        return len(sizes), sum(size.raw_bytes for size in sizes), sum(size.stored_bytes for size in sizes)

    def inputs(self, span: Span) -> Iterator[tuple[object, ...]]:
        for response in self.stored:
            places = [place for place, _ in enumerate(_items(response), response.first_position) if place in span]
            if places:
                yield response.call_id, places, response.body.sha256, response.fetched_at

    def fetched_ends(self, span: Span) -> tuple[int, int] | None:
        places = [place for _, found, _, _ in self.inputs(span) for place in found]  # type: ignore[attr-defined]
        return (min(places), max(places)) if places else None

    def unknown(self, ids: Sequence[str]) -> list[str]:
        self.known |= {item["id"] for response in self.stored for item in _items(response)}
        return [video_id for video_id in ids if video_id not in self.known]

    def bodies(self, call_ids: Sequence[int]) -> Iterator[StoredResponse]:
        yield from (response for response in self.stored if response.call_id in call_ids)

    def has_statistics(self) -> bool:
        return False

    def history(self) -> Iterator[StoredResponse]:
        yield from self.stored

    def history_size(self) -> int:
        return 0

    def newest_response(self) -> datetime | None:
        return max((response.fetched_at for response in self.stored), default=None)

    def fetched(self, span: Span, size: int) -> Iterator[Sequence[tuple[str, int]]]:
        rows = [
            (item["id"], response.call_id)
            for response in self.stored
            for place, item in enumerate(_items(response))
            if response.first_position + place in span
        ]
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


def _items(response: StoredResponse) -> list[dict[str, str]]:
    body = response.body
    return _items_in(body.data, body.encoding, body.raw_bytes)


@lru_cache(maxsize=100)
def _items_in(data: bytes, encoding: str, raw_bytes: int) -> list[dict[str, str]]:
    items: list[dict[str, str]] = json.loads(decompress(data, encoding, raw_bytes))["items"]
    return items
