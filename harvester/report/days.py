"""The days of a crawl, and its plan. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

from harvester.ledger.records import LoadRecord
from harvester.model import QuotaDay
from harvester.quota_calendar import quota_day

MAX_DAYS = 31
"""Days that a chart and its table show."""
_AHEAD = 7
"""Future days that the chart of a long crawl still shows."""
_MAX_PLANNED = 36_500


@dataclass(frozen=True, slots=True)
class Course:
    """The plan: what full quota days settle, from the day on which the ids were loaded."""

    first: date
    planned: Sequence[int]
    """Ids settled by the end of each day from `first` on, until all are."""
    idle: bool = False
    """Whether it pauses: ids were loaded after all before them would have been settled."""

    @property
    def last(self) -> date:
        return self.first + timedelta(days=len(self.planned) - 1)

    def by(self, day: date) -> int:
        return self.planned[min((day - self.first).days, len(self.planned) - 1)]


def plan_course(loads: Iterable[LoadRecord], first: date, asked_for: int, a_day: int) -> Course:
    """The plan of `asked_for` ids, `a_day` at most, from `first` on. Ids of unknown loads count from `first`."""
    arriving: Counter[date] = Counter()
    for load in loads:
        arriving[max(first, quota_day(load.loaded_at))] += max(0, load.new - load.invalid - load.removed)
    waiting = max(0, asked_for - arriving.total())
    planned, idle = [0], False
    while planned[-1] < asked_for and len(planned) <= _MAX_PLANNED:
        waiting += arriving[first + timedelta(days=len(planned) - 1)]
        idle = idle or not waiting
        settled = min(waiting, a_day)
        waiting -= settled
        planned.append(min(asked_for, planned[-1] + settled))
    return Course(first, planned[1:] or planned, idle)


@dataclass(frozen=True, slots=True)
class DayLine:
    """One calendar day, with or without calls."""

    day: date
    counts: QuotaDay | None
    settled: int | None
    """Ids fetched or missing by its end; None for future days."""
    planned: int
    """Ids that the plan settles by its end."""


def day_lines(days: Sequence[QuotaDay], today: date, course: Course, *, done: bool) -> list[DayLine]:
    """From the first day of the crawl, or today, to the end of the plan or the last day; MAX_DAYS of them at most.

    A crawl that is `done` has no later days than the plan's.
    """
    first = course.first
    newest = days[-1].day if days else today
    reached = newest if done else max(newest, today)
    last = min(max(reached, course.last), max(first + timedelta(days=MAX_DAYS - 1), reached + timedelta(days=_AHEAD)))
    start = max(first, last - timedelta(days=MAX_DAYS - 1))
    by_day = {day.day: day for day in days}
    sums = dict(zip(by_day, accumulate(day.fetched + day.missing for day in days), strict=True))
    lines = []
    settled = max((total for day, total in sums.items() if day < start), default=0)
    for number in range((last - start).days + 1):
        day = start + timedelta(days=number)
        settled = sums.get(day, settled)
        lines.append(DayLine(day, by_day.get(day), settled if day <= reached else None, course.by(day)))
    return lines
