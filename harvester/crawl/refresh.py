"""What a refresh fetches again: old responses, or their statistics alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from harvester import quota_calendar
from harvester.crawl.batch_source import OldResponses
from harvester.ledger.ledger import Ledger
from harvester.ledger.reader import LedgerReader
from harvester.model import BatchKind, Stored
from harvester.youtube.endpoints import VIDEOS_BATCH_GET_STATS, VIDEOS_LIST, Endpoint


@dataclass(frozen=True, slots=True)
class Refresh:
    """The responses fetched before `before`; of kind STATISTICS, those whose newest statistics were."""

    before: datetime
    parts: str | None = None
    """If set, only responses that were asked for with other parts than these, comma-separated."""
    kind: BatchKind = BatchKind.REFRESH

    @property
    def endpoint(self) -> Endpoint:
        """The method of the API that it calls."""
        return VIDEOS_BATCH_GET_STATS if self.kind is BatchKind.STATISTICS else VIDEOS_LIST

    def old(self, reader: LedgerReader) -> Stored:
        """Return how much is old."""
        if self.kind is BatchKind.STATISTICS:
            return reader.older_statistics(self.before)
        return reader.older(self.before, self.parts)

    def calls(self, reader: LedgerReader) -> int:
        """Return the calls that it takes: none for a response without videos."""
        if self.kind is BatchKind.STATISTICS:
            return reader.older_statistics(self.before).responses
        return reader.calls_to_refresh(self.before, self.parts)

    def batches(self, ledger: Ledger) -> OldResponses:
        """Return the batches to crawl."""
        return OldResponses(ledger, self.before, self.parts, self.kind)


def statistics_of_days(days: int, now: datetime) -> Refresh:
    """Return the refresh of statistics that were not fetched for so many quota days.

    By days, so that no two runs of a day ask for the same, and a run that begins a little earlier than yesterday's
    leaves none out.
    """
    first_day = quota_calendar.quota_day(now) - timedelta(days=days - 1)
    return Refresh(quota_calendar.day_start(first_day), kind=BatchKind.STATISTICS)
