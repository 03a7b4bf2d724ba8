"""Counts of what was exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harvester.model import StoredResponse


@dataclass(slots=True)
class Counters:
    """Counts the exported videos, and the responses if whole responses are published."""

    responses: int = 0
    videos: int = 0

    def over(self, responses: Iterable[StoredResponse]) -> Iterator[StoredResponse]:
        for response in responses:
            self.responses += 1
            self.videos += response.body.item_count
            yield response
