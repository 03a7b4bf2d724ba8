"""A few of the newest videos, for the report. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from harvester.model import StoredResponse
from harvester.support.gzip_body import BodyError
from harvester.support.sanitize import shown

_MOST_CHARS = 120


@dataclass(frozen=True, slots=True)
class Sampled:
    """One fetched video, as sanitised texts."""

    video_id: str
    title: str
    channel: str


def sample(responses: Iterable[StoredResponse], most: int) -> list[Sampled]:
    """Return the first `most` videos of these responses. Unreadable bodies are skipped: `verify` reports them."""
    found: list[Sampled] = []
    for response in responses:
        found += (_sampled(item) for item in _items(response))
    return found[:most]


def _items(response: StoredResponse) -> Iterator[dict[str, Any]]:
    try:
        page = json.loads(response.body.raw())
    except (BodyError, ValueError, RecursionError):
        return
    items = page.get("items") if isinstance(page, dict) else None
    yield from (item for item in items or () if isinstance(item, dict))


def _sampled(item: dict[str, Any]) -> Sampled:
    snippet = item.get("snippet")
    texts = snippet if isinstance(snippet, dict) else {}
    return Sampled(_text(item.get("id")), _text(texts.get("title")), _text(texts.get("channelTitle")))


def _text(value: object) -> str:
    return shown(value, _MOST_CHARS) if isinstance(value, str) else ""
