"""A few videos for the report: the newest, and how the views of some have grown, however long the history is."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from harvester.ledger.reader import LedgerReader
from harvester.model import StoredResponse
from harvester.support.gzip_body import BodyError
from harvester.support.sanitize import shown

RESPONSES = 20
"""Responses that are looked at, spread evenly over the load order: a thousand videos."""
ANSWERS = 60
"""Most answers about a response that are read, the newest ones."""
LINES = 5
_MAX_CHARS = 120
_TITLE_CHARS = 60


class Sampled(NamedTuple):
    """One fetched video, as sanitised texts."""

    video_id: str
    title: str
    channel: str


def sample(responses: Iterable[StoredResponse], most: int) -> list[Sampled]:
    """Return the first `most` videos of these responses."""
    items = [item for response in responses for item in _items_of(response)][:most]
    return [_sampled(item) for item in items]


def _sampled(item: dict[str, Any]) -> Sampled:
    snippet = _part(item, "snippet")
    return Sampled(_text(item, "id"), _text(snippet, "title"), _text(snippet, "channelTitle"))


@dataclass(frozen=True, slots=True)
class Grown:
    """A video, and its views at the end of each day on which they were fetched."""

    video_id: str
    title: str
    views: dict[date, int]

    @property
    def first(self) -> int:
        """Its views on the first day."""
        return next(iter(self.views.values()))

    @property
    def last(self) -> int:
        """Its views on the newest day."""
        return next(reversed(self.views.values()))

    @property
    def gained(self) -> int:
        """Views that were added since the first day."""
        return self.last - self.first


@dataclass(frozen=True, slots=True)
class Growth:
    """Videos of a sample: those that grow fastest, and those that were published last."""

    fastest: Sequence[Grown] = ()
    newest: Sequence[Grown] = ()
    sampled: int = 0
    """Videos in the sample."""

    @property
    def days(self) -> list[date]:
        """All days on which any of their views were fetched."""
        return sorted({day for video in (*self.fastest, *self.newest) for day in video.views})


class _Candidate(NamedTuple):
    video_id: str
    title: str
    published_at: str
    calls: Sequence[int]
    a_day: float


def growth(reader: LedgerReader) -> Growth:
    """Choose the videos by the first and the last answer about each sampled response; read the rest for these few."""
    found = [video for call_id in _spread(reader.response_calls()) for video in _candidates(reader, call_id)]
    found.sort(key=lambda video: video.video_id)
    fastest = sorted((video for video in found if video.a_day > 0), key=lambda video: -video.a_day)[:LINES]
    published = (video for video in found if video.published_at)
    newest = sorted(published, key=lambda video: video.published_at, reverse=True)[:LINES]
    views = _views(reader, {call_id for video in (*fastest, *newest) for call_id in video.calls})
    return Growth(_grown(fastest, views), _grown(newest, views), len(found))


def _grown(chosen: Iterable[_Candidate], views: dict[str, dict[date, int]]) -> list[Grown]:
    videos = (Grown(each.video_id, each.title, views[each.video_id]) for each in chosen)
    return [video for video in videos if len(video.views) > 1]


def _spread(calls: Sequence[int]) -> list[int]:
    """Some of them, as far apart as possible, the last one included."""
    most = min(RESPONSES, len(calls))
    return [calls[-1 - number * (len(calls) - 1) // max(1, most - 1)] for number in range(most)]


def _candidates(reader: LedgerReader, call_id: int) -> Iterator[_Candidate]:
    calls = reader.history_calls(call_id, ANSWERS)
    if len(calls) < 2:
        return
    snippets: dict[str, dict[str, Any]] = {}
    ends: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for response in reader.bodies(sorted({calls[0], call_id, calls[-1]})):
        for item in _items_of(response):
            video_id = _text(item, "id")
            snippets[video_id] = _part(item, "snippet") or snippets.get(video_id, {})
            if (views := _views_of(item)) is not None:
                ends[video_id].append((response.fetched_at, views))
    for video_id, points in ends.items():
        (first_at, first), (last_at, last) = min(points), max(points)
        days = max(1.0, (last_at - first_at) / timedelta(days=1))
        snippet = snippets[video_id]
        title = _text(snippet, "title", _TITLE_CHARS) or video_id
        yield _Candidate(video_id, title, _text(snippet, "publishedAt"), calls, (last - first) / days)


def _views(reader: LedgerReader, calls: Iterable[int]) -> dict[str, dict[date, int]]:
    """Of each video that these calls brought, the last views of each day."""
    views: dict[str, dict[date, int]] = defaultdict(dict)
    for response in reader.bodies(sorted(calls)):
        for item in _items_of(response):
            if (number := _views_of(item)) is not None:
                views[_text(item, "id")][response.fetched_at.date()] = number
    return views


def _items_of(response: StoredResponse) -> Iterator[dict[str, Any]]:
    """Yield the items of a response; none if its body can't be read: `verify` reports that."""
    try:
        page = json.loads(response.body.raw())
    except (BodyError, ValueError, RecursionError):
        return
    items = page.get("items") if isinstance(page, dict) else None
    yield from (item for item in items or () if isinstance(item, dict))


def _part(item: dict[str, Any], name: str) -> dict[str, Any]:
    part = item.get(name)
    return part if isinstance(part, dict) else {}


def _text(part: dict[str, Any], name: str, most_chars: int = _MAX_CHARS) -> str:
    """A text as it may be shown; empty if it is none."""
    value = part.get(name)
    return shown(value, most_chars) if isinstance(value, str) else ""


def _views_of(item: dict[str, Any]) -> int | None:
    text = _part(item, "statistics").get("viewCount")
    return int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 20 else None
