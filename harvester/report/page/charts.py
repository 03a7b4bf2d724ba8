"""The charts of the page: units, course, outcomes and durations of calls, and views of videos."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

from markupsafe import Markup

from harvester.model import QuotaDay
from harvester.report.days import Course, DayLine
from harvester.report.page.svg_chart import chart, short
from harvester.report.page.videos import Growth
from harvester.report.summary import Summary
from harvester.support.sanitize import count

_EDGES = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_MIN_BARS = 7


class Bucket(NamedTuple):
    """Calls whose durations lie in the same range."""

    label: str
    below: str
    calls: int


def buckets_of(seconds: Sequence[float]) -> list[Bucket]:
    """Count calls by how many seconds they took."""
    buckets = []
    for low, high in pairwise((0.0, *_EDGES, inf)):
        below, to = ("more", "and") if high == inf else (f"{high:g}", "to")
        buckets.append(Bucket(f"{low:g} {to} {below}", below, sum(low <= each < high for each in seconds)))
    return buckets


def charts(summary: Summary, course: Course, days: Sequence[DayLine], buckets: Sequence[Bucket]) -> dict[str, Markup]:
    """Draw the charts of a crawl with calls, by name."""
    labels = [f"{line.day:%m-%d}" for line in days]
    # The bars of a few days would be as wide as the chart.
    bars = labels + [""] * (_MIN_BARS - len(days))
    counts = [line.counts or QuotaDay(line.day) for line in days]
    span = f"{days[0].day} to {days[-1].day}"
    # The sums are those of each day's end: a crawl's first day begins at 0.
    start = [0] if days[0].day == course.first else []
    settled = max((line.settled for line in days if line.settled is not None), default=0)
    most = count(max(day.units for day in counts), "unit")
    timed = sum(bucket.calls for bucket in buckets)
    return {
        "units": chart(
            "Bar",
            "chart-units",
            "Units a day",
            f"Bars, {span}: at most {most} on a day, of {summary.daily_units:,} allowed.",
            bars,
            [[day.units for day in counts]],
            limit=summary.daily_units,
        ),
        "course": chart(
            "Line",
            "chart-course",
            "Ids settled over time, against the plan",
            f"Lines, {span}: {count(settled, 'id')} settled, {summary.asked_for:,} to settle.",
            [""] * len(start) + labels,
            [start + [line.settled for line in days], start + [line.planned for line in days]],
            show_dots=False,
            include_x_axis=True,
        ),
        "outcomes": chart(
            "StackedBar",
            "chart-outcomes",
            "Calls a day, by outcome",
            f"Stacked bars, {span}: {count(summary.calls_ok, 'good call')} in all, {summary.calls_failed:,} failed, "
            f"{summary.calls_abandoned:,} abandoned.",
            bars,
            [[getattr(day, name) for day in counts] for name in ("ok", "failed", "abandoned")],
        ),
        "latency": chart(
            "Bar",
            "chart-latency",
            "Good calls by how long they took",
            f"Bars of {count(timed, 'call')}; each is labelled with the seconds its calls stayed below.",
            [bucket.below for bucket in buckets],
            [[bucket.calls for bucket in buckets]],
            most_labels=len(buckets),
        ),
    }


def growth_charts(growth: Growth) -> dict[str, Markup]:
    """Draw how the views of some videos have grown, by name; none without a history."""
    days = growth.days
    labels = [f"{day:%m-%d}" for day in days]
    how: dict[str, Any] = {"show_dots": False, "value_formatter": short}
    charts = {}
    if videos := growth.fastest:
        most = max(video.gained for video in videos)
        told = f"Lines, {days[0]} to {days[-1]}: from 0 on the first day of each to {most:,}."
        gained = [[video.views[day] - video.first if day in video.views else None for day in days] for video in videos]
        title = "Views gained by the fastest growing videos"
        charts["fastest"] = chart("Line", "chart-fastest", title, told, labels, gained, **how)
    if videos := growth.newest:
        most = max(max(video.views.values()) for video in videos)
        told = f"Lines, {days[0]} to {days[-1]}: at most {most:,} views."
        views = [[video.views.get(day) for day in days] for video in videos]
        charts["fresh"] = chart("Line", "chart-fresh", "Views of the videos published last", told, labels, views, **how)
    return charts
