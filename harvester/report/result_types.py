"""Results of the use cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from harvester.config import Config
from harvester.ledger.reader import LedgerReader
from harvester.ledger.records import LoadRecord
from harvester.model import FaultCount, QuotaDay, RunRecord, Stored
from harvester.report.contradictions import clock_hint
from harvester.report.summary import Summary
from harvester.support.sanitize import count


@dataclass(frozen=True, slots=True)
class History:
    """Statistics that were fetched by themselves. Units are those of their own quota."""

    newest_at: datetime | None = None
    """None if there are none."""
    points: int = 0
    """Fetches of a video's counts in the newest `keep_days` days."""
    keep_days: int = 0
    units_today: int = 0
    daily_units: int = 0

    def __bool__(self) -> bool:
        return self.newest_at is not None

    @property
    def in_words(self) -> tuple[str, str]:
        """How much there is, and what it costs, if there is any."""
        fetched = f"{count(self.points, 'count')} in {count(self.keep_days, 'day')}"
        spent = f"{self.units_today:,} of {count(self.daily_units, 'unit')} of their own spent today"
        return f"{fetched}, the newest at {self.newest_at:%Y-%m-%d %H:%M} UTC", spent


NO_HISTORY = History()


def history_of(reader: LedgerReader, config: Config, today: date) -> History:
    """Return the figures. Reads no body."""
    days = reader.days("statistics")
    newest = reader.newest_statistics() if any(day.ok for day in days) else None
    keep_days = config.statistics.keep_days
    begin = today - timedelta(days=keep_days)
    spent = next((day for day in days if day.day == today), QuotaDay(today))
    points = sum(day.fetched for day in days if day.day > begin)
    return History(newest, points, keep_days, spent.units, config.quota.statistics_daily_units)


@dataclass(frozen=True, slots=True)
class Overview:
    """What `status` shows. `runs` are newest first."""

    summary: Summary
    runs: Sequence[RunRecord]
    now: datetime
    faults: Sequence[FaultCount] = ()
    """Why calls brought nothing, if requested."""
    oldest: datetime | None = None
    """When the oldest stored response was fetched."""
    loads: Sequence[LoadRecord] = ()
    other_parts: int = 0
    """Stored responses that were asked for with other parts than are set now."""
    history: History = NO_HISTORY
    """The statistics that were fetched by themselves."""

    @property
    def clock_hint(self) -> str:
        """How the ledger contradicts this machine's clock; empty if it does not."""
        return clock_hint(self.summary.newest_day, self.runs, self.now)


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run would do now."""

    summary: Summary
    calls: int
    videos: int
    first_ids: tuple[str, ...]
    """The ids of the first call."""
    seconds: float
    """The expected duration, at the configured concurrency and the plan's seconds a call."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is stored past some age, and what a refresh would do now."""

    old: Stored
    calls: int
    """As many as are needed, today's units pay for, and are allowed: responses without a video need none."""
    units: int
    remaining_units: int


@dataclass(frozen=True, slots=True)
class DayReport:
    """What the runs of one simulated day of a rehearsal did."""

    day: date
    calls: int
    units: int
    fetched: int
    missing: int
    wasted: int
    settled: int
    """Ids settled so far."""
    asked_for: int
    """Ids known so far that can be asked for."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise that a rehearsal checks."""

    promise: str
    kept: bool
    figures: str
