"""Counts of what was exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harvester.model import StoredResponse


@dataclass(slots=True)
class Counters:
    """Counts the exported videos."""

    videos: int = 0

    def over(self, responses: Iterable[StoredResponse]) -> Iterator[StoredResponse]:
        """Yield the responses, and count their videos."""
        for response in responses:
            self.videos += response.body.item_count
            yield response
