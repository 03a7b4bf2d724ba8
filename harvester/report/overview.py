"""`status` with what stands behind its figures. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from harvester.ledger.load_records import LoadRecord
from harvester.model import FaultCount, RunRecord
from harvester.report.clock_hint import clock_hint
from harvester.report.summary import Summary


@dataclass(frozen=True, slots=True)
class Overview:
    """`status` with the runs behind it."""

    summary: Summary
    runs: Sequence[RunRecord]
    now: datetime
    faults: Sequence[FaultCount] = ()
    """Why calls brought nothing, where that was asked for."""
    oldest: datetime | None = None
    """When the oldest stored response was fetched."""
    loads: Sequence[LoadRecord] = ()
    other_parts: int = 0
    """Stored responses that were asked for with other parts than are set now."""

    @property
    def clock_hint(self) -> str:
        """Where the ledger contradicts this machine's clock: how."""
        return clock_hint(self.summary.newest_day, self.runs, self.now)
