"""The YouTube Data API v3: one call, and what its answer means."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from harvester.model import Outcome


class Api(Protocol):
    """All that a worker knows of the API."""

    async def fetch(self, ids: Sequence[str]) -> Outcome:
        """Ask once for 1 to 50 ids. Faults are outcomes; what is raised is a bug or a cancellation."""
        ...

    async def time(self) -> datetime | None:
        """The API's time, by a request that costs no unit; None where it can't be learned."""
        ...
