"""The days of a crawl, and those of its plan. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

from harvester.model import QuotaDay
from harvester.quota import Plan

MAX_DAYS = 31
"""Days that a chart and its table show."""
_AHEAD = 7
"""Future days that the chart of a long crawl still shows."""


PACE_DAYS = 7
"""Days from which the pace is calculated."""


@dataclass(frozen=True, slots=True)
class DayLine:
    """One calendar day, with or without calls."""

    day: date
    counts: QuotaDay | None
    settled: int | None
    """Ids fetched or missing by its end; None for future days."""
    planned: int
    """Ids that full days from the first one on would have settled by its end."""


def day_lines(days: Sequence[QuotaDay], today: date, asked_for: int, plan: Plan, *, done: bool) -> list[DayLine]:
    """From the first day of the crawl, or today, to the end of the plan or the last day; MAX_DAYS of them at most.

    `plan` is that of the whole crawl. A crawl that is `done` has no later days than the plan's.
    """
    first = days[0].day if days else today
    newest = days[-1].day if days else today
    reached = newest if done else max(newest, today)
    last = max(reached, first + timedelta(days=max(0, plan.days - 1)))
    last = min(last, max(first + timedelta(days=MAX_DAYS - 1), reached + timedelta(days=_AHEAD)))
    start = max(first, last - timedelta(days=MAX_DAYS - 1))
    by_day = {day.day: day for day in days}
    sums = dict(zip(by_day, accumulate(day.fetched + day.missing for day in days), strict=True))
    lines = []
    settled = max((total for day, total in sums.items() if day < start), default=0)
    for number in range((last - start).days + 1):
        day = start + timedelta(days=number)
        settled = sums.get(day, settled)
        planned = min(asked_for, ((day - first).days + 1) * plan.videos_a_day)
        lines.append(DayLine(day, by_day.get(day), settled if day <= reached else None, planned))
    return lines


def settled_a_day(days: Sequence[QuotaDay], today: date) -> float:
    """Ids fetched or missing a calendar day, in the PACE_DAYS before today; today alone where the crawl began on it.

    Days without a call count too.
    """
    if not days:
        return 0.0
    first = min(days[0].day, today)
    before = min(PACE_DAYS, (today - first).days)
    if not before:
        return sum(day.fetched + day.missing for day in days if day.day == today)
    since = today - timedelta(days=before)
    return sum(day.fetched + day.missing for day in days if since <= day.day < today) / before
