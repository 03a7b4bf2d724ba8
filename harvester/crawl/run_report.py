"""What a run did, and why it ended."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from harvester.listing_types import Page
from harvester.model import Batch, Outcome
from harvester.support.sanitize import count


class Ending(enum.StrEnum):
    """Why a run ended well. If its workers end differently, the member that comes last here decides."""

    NOTHING_LEFT = "nothing left"
    CLAIMED_BY_OTHERS = "the rest is claimed by other runs"
    BUDGET_SPENT = "budget spent"
    DAY_CLOSED = "day closed by the API"
    MAX_CALLS = "call limit reached"
    STOPPED = "stopped"


@dataclass
class RunReport:
    """Counts of what one run did."""

    ending: Ending = Ending.NOTHING_LEFT
    calls: int = 0
    good: int = 0
    units: int = 0
    fetched: int = 0
    missing: int = 0
    failed: int = 0
    pages: int = 0
    """Pages of playlists."""
    listed: int = 0
    """Ids in those pages, known ones included."""
    split: int = 0
    """Batches split to find an id at fault; each split costs one call more."""
    recovered: int = 0
    """Calls of dead runs whose ids were taken back."""
    wasted: Counter[str] = field(default_factory=Counter)
    """Calls that brought nothing, by reason."""
    statistics: RunReport | None = None
    """What the refresh of statistics did that follows a run; None if there was none."""
    pruned: int = 0
    """Stored statistics that were deleted for their age."""
    on_day_over: Callable[[Ending], object] | None = None
    """Called before a run that continues the next day sleeps until the quota's reset. Must not block or raise."""

    def begin_statistics(self) -> RunReport:
        """Return the report of the refresh of statistics, which follows."""
        self.statistics = RunReport()
        return self.statistics

    def count_good(self, batch: Batch, outcome: Outcome) -> str:
        """Count a settled call. Returns what it brought, for the log."""
        self.good += 1
        match outcome.listed:
            case Page(ids):
                self.pages += 1
                self.listed += len(ids)
                return f"{count(len(ids), 'id')} of {batch.ids[0]}"
            case _ if batch.listing is not None:
                return f"{batch.ids[0]}: {outcome.reason} {outcome.message}".rstrip()
        fetched = len(outcome.found)
        self.fetched += fetched
        self.missing += len(batch) - fetched
        return f"{fetched} fetched, {len(batch) - fetched} missing"

    @property
    def settled(self) -> int:
        """Ids that are fetched, missing or failed."""
        return self.fetched + self.missing + self.failed
