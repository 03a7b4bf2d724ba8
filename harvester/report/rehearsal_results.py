"""What a rehearsal tells: its days, and which promises were kept. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class DayReport:
    """What the runs of one simulated day did."""

    day: date
    calls: int
    units: int
    fetched: int
    missing: int
    wasted: int
    settled: int
    """Ids settled so far."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, and whether it was kept."""

    promise: str
    kept: bool
    figures: str
