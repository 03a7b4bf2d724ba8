"""Results of the use cases. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from harvester.ledger.load_records import LoadRecord
from harvester.model import FaultCount, RunRecord, Stored
from harvester.report.hints import clock_hint
from harvester.report.history import NO_HISTORY, History
from harvester.report.summary import Summary


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
