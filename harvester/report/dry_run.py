"""What a command would do, as its --dry-run tells it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from harvester.model import Stored


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run would do now."""

    calls: int
    videos: int
    units: int
    units_per_call: int
    remaining_units: int
    pending: int
    """Ids not yet asked for, whether or not today's units pay for them."""
    first_ids: tuple[str, ...]
    """The ids of the first call."""
    seconds: float
    """At the configured concurrency, and the plan's seconds a call."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is stored past some age, and what a refresh would do about it now."""

    old: Stored
    calls: int
    """As many as are needed, today's units pay for, and are allowed: responses without a video need none."""
    units: int
    remaining_units: int
