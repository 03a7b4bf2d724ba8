"""The YouTube Data API v3: one call, and what its answer means."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from harvester.model import Outcome


class Api(Protocol):
    """The API, as a worker uses it."""

    async def fetch(self, ids: Sequence[str], page_token: str | None = None) -> Outcome:
        """Ask once for 1 to 50 ids, or for the page of a playlist that `page_token` names.

        A fault is an outcome; an exception is a bug or a cancellation.
        """
        ...

    async def time(self) -> datetime | None:
        """The API's time, by a request that costs no unit; None if it is unknown."""
        ...
