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
        found += (_sampled(item) for item in items_of(response))
    return found[:most]


def items_of(response: StoredResponse) -> Iterator[dict[str, Any]]:
    """Yield the items of a response; none if its body can't be read: `verify` reports that."""
    try:
        page = json.loads(response.body.raw())
    except (BodyError, ValueError, RecursionError):
        return
    items = page.get("items") if isinstance(page, dict) else None
    yield from (item for item in items or () if isinstance(item, dict))


def _sampled(item: dict[str, Any]) -> Sampled:
    snippet = item.get("snippet")
    texts = snippet if isinstance(snippet, dict) else {}
    return Sampled(shown_text(item.get("id")), shown_text(texts.get("title")), shown_text(texts.get("channelTitle")))


def shown_text(value: object, most_chars: int = _MOST_CHARS) -> str:
    """Return a text as it may be shown; empty if it is none."""
    return shown(value, most_chars) if isinstance(value, str) else ""
