"""Sizes, durations, instants and words that all reports have in common. Pure."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from harvester.model import VideoState

EMPTY = "The ledger is empty. Next: harvester load SOURCE"
MEANINGS = {
    VideoState.PENDING: "not yet asked for",
    VideoState.CLAIMED: "in a call under way",
    VideoState.FETCHED: "stored",
    VideoState.MISSING: "asked for, and the API has none: deleted, private or never there",
    VideoState.FAILED: "given up after every attempt",
    VideoState.INVALID: "not a video id, never sent",
}


def size(number: int) -> str:
    """Bytes in the largest unit that leaves at least one before the point."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def took(span: timedelta) -> str:
    """Format in the two largest units, and never below zero: a clock may have been set back."""
    seconds = max(0, int(span.total_seconds()))
    for unit, length, smaller, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= length:
            rest = seconds % length // part
            return f"{seconds // length} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds} s"


def elapsed(seconds: float) -> str:
    """As `took`, with tenths below ten seconds."""
    return f"{seconds:.1f} s" if seconds < 9.95 else took(timedelta(seconds=seconds))


def utc(moment: datetime) -> str:
    """Format an instant in UTC, to the minute."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def iso_utc(moment: datetime) -> str:
    """Format an instant in UTC, to the second, for programs."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def record_as_json(record: Any) -> dict[str, Any]:
    """Return the fields of a dataclass for JSON."""
    return {name: iso_utc(value) if isinstance(value, datetime) else value for name, value in asdict(record).items()}
