"""How the views of a few videos have grown, for the report: a sample, however long the history is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from harvester.ledger.reader import LedgerReader
from harvester.report.page.sample import items_of, shown_text

RESPONSES = 20
"""Responses that are looked at, spread evenly over the load order: a thousand videos."""
ANSWERS = 60
"""Most answers about a response that are read, the newest ones."""
LINES = 5
_TITLE_CHARS = 60


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

    def gained_by(self, day: date) -> int | None:
        """Views that were added up to that day; None if they were not fetched on it."""
        return self.views[day] - self.first if day in self.views else None


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


@dataclass(slots=True)
class _Candidate:
    video_id: str
    title: str
    published_at: str
    calls: Sequence[int]
    a_day: float


def growth(reader: LedgerReader) -> Growth:
    """Choose the videos by the first and the last answer about each sampled response; read the rest for these few."""
    found = [video for call_id in _spread(reader.response_calls()) for video in _candidates(reader, call_id)]
    growing = sorted((video for video in found if video.a_day > 0), key=lambda video: (-video.a_day, video.video_id))
    published = sorted((video for video in found if video.published_at), key=lambda video: video.video_id)
    published.sort(key=lambda video: video.published_at, reverse=True)
    fastest, newest = growing[:LINES], published[:LINES]
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
        for item in items_of(response):
            video_id, snippet, views = shown_text(item.get("id")), item.get("snippet"), _views_of(item)
            if isinstance(snippet, dict):
                snippets[video_id] = snippet
            if views is not None:
                ends[video_id].append((response.fetched_at, views))
    for video_id, points in ends.items():
        (first_at, first), (last_at, last) = min(points), max(points)
        snippet = snippets.get(video_id, {})
        days = max(1.0, (last_at - first_at) / timedelta(days=1))
        title, published_at = shown_text(snippet.get("title"), _TITLE_CHARS), shown_text(snippet.get("publishedAt"))
        yield _Candidate(video_id, title or video_id, published_at, calls, (last - first) / days)


def _views(reader: LedgerReader, calls: Iterable[int]) -> dict[str, dict[date, int]]:
    """Of each video that these calls brought, the last views of each day."""
    views: dict[str, dict[date, int]] = defaultdict(dict)
    for response in reader.bodies(sorted(calls)):
        for item in items_of(response):
            if (number := _views_of(item)) is not None:
                views[shown_text(item.get("id"))][response.fetched_at.date()] = number
    return views


def _views_of(item: dict[str, Any]) -> int | None:
    statistics = item.get("statistics")
    text = statistics.get("viewCount") if isinstance(statistics, dict) else None
    return int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 20 else None
