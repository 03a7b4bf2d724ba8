"""The four figures that a report begins with. Pure."""

from __future__ import annotations

from typing import NamedTuple

from harvester.model import Progress, VideoState
from harvester.report.listings import to_read
from harvester.report.summary import Summary
from harvester.report.wording import utc
from harvester.support.sanitize import count


class Tile(NamedTuple):
    label: str
    value: str
    note: str


def tiles(summary: Summary, progress: Progress) -> list[Tile]:
    """How much is done, when it ends, what today cost, and what was lost."""
    return [
        Tile("Done", f"{summary.percent_shown:.1f}%", f"{progress.settled:,} of {count(progress.asked_for, 'id')}"),
        _end(summary, progress),
        Tile("Units today", f"{summary.spent:,}", f"of {summary.daily_units:,}, {_rest_of_day(summary)}"),
        _lost(summary),
    ]


def _end(summary: Summary, progress: Progress) -> Tile:
    if not summary.unsettled and not summary.is_done:
        return Tile("Finishes on", "not known yet", to_read(summary.listings))
    if summary.is_done:
        last = next((day.day for day in reversed(progress.days) if day.calls), summary.day)
        return Tile("Finished on", str(last), f"{count(summary.days_run, 'day')} run")
    at_best = f"at best on {summary.finishes_on}, {count(summary.days_left, 'day')} left"
    return Tile("Finishes on", str(summary.finishes_at_pace_on or summary.finishes_on), at_best)


def _rest_of_day(summary: Summary) -> str:
    if summary.closed_by_server:
        return "closed by the API"
    return f"reset at {utc(summary.resets_at)[11:]}"


def _lost(summary: Summary) -> Tile:
    wasted, failed = summary.calls_wasted, summary.videos[VideoState.FAILED]
    of_all = f"{100 * wasted / max(1, summary.calls):.1f}% of {count(summary.calls, 'call')}"
    value = f"{count(failed, 'id')}, {count(wasted, 'call')}" if failed else count(wasted, "call")
    return Tile("Failed or wasted", value, f"{of_all} brought nothing, {count(failed, 'id')} failed")
