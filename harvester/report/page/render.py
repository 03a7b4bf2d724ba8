"""`harvester status --html`: the whole crawl on one page that needs nothing but a browser. Pure.

Jinja2 escapes every text; `shown` takes out what acts on a reader even when escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from math import inf
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from harvester._version import __version__
from harvester.listing import ListingRecord, Target
from harvester.model import Progress, RunCalls, VideoState
from harvester.report.days import Course, DayLine, day_lines, plan_course
from harvester.report.listings import Listings, how_far
from harvester.report.next_steps import ending, steps, utc
from harvester.report.page.charts import chart, short
from harvester.report.page.data import PageData
from harvester.report.page.growth import Growth
from harvester.report.page.markup import marked_up
from harvester.report.page.tiles import tiles
from harvester.report.verdict import Status, verdict
from harvester.report.wording import MEANINGS, size, took
from harvester.support.sanitize import count, shown

CONTENT_TYPE = "text/html; charset=utf-8"
MARKS = (b" harvester</title>", b"Harvest of YouTube metadata</")
"""One of them identifies such a page, of every version, in its first 64 KiB."""
SYMBOLS = {Status.NOT_STARTED: "○", Status.ON_TIME: "✓", Status.LATE: "!", Status.DONE: "✓", Status.NEEDS_YOU: "!"}
_EDGES = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_LEAST_BARS = 7
_MOST_LISTINGS = 20
_PERCENTILES = (50, 90, 99)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Calls whose durations lie in the same range."""

    label: str
    below: str
    calls: int


def render(data: PageData) -> str:
    """The page, as one text of HTML."""
    environment = Environment(
        loader=PackageLoader("harvester.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Any] = {"number": "{:,}".format, "utc": utc, "shown": shown, "size": size}
    environment.filters |= filters | {"marked_up": marked_up, "took": took}
    summary, progress = data.overview.summary, data.progress
    first = progress.days[0].day if progress.days else summary.day
    course = plan_course(data.overview.loads, first, progress.asked_for, summary.possible_a_day)
    judged = verdict(data.overview, course)
    # The card of a crawl that has not started names its steps.
    listed = [] if judged.status is Status.NOT_STARTED else steps(data.overview)
    days = day_lines(progress.days, summary.day, course, done=progress.asked_for > 0 and summary.is_done)
    buckets = _buckets(data.seconds)
    return environment.get_template("page.html").render(
        data=data,
        overview=data.overview,
        summary=summary,
        version=__version__,
        verdict=judged,
        symbol=SYMBOLS[judged.status],
        headings=_headings(data),
        tiles=tiles(summary, progress),
        states=[(state, summary.videos[state], MEANINGS[state]) for state in VideoState],
        bar=_bar(progress),
        steps=[step for step in listed if step != judged.sentence],
        days=days,
        began=bool(progress.calls),
        charts=_charts(data, course, days, buckets) | _growth_charts(data.growth) if progress.calls else {},
        buckets=buckets,
        percentiles=_percentiles(data.seconds),
        nothing_called=RunCalls(),
        listings=_shown_listings(summary.listings),
        how_far=how_far,
        Target=Target,
        ending=ending,
        count=count,
    )


def _headings(data: PageData) -> dict[str, str]:
    """The headings of the sections that have something to show, also for the navigation."""
    began = data.progress.calls
    sections: dict[str, tuple[str, Any]] = {
        "setup": ("Set up the crawl", not began),
        "far": ("How far it is", began),
        "units": ("Units a day", began),
        "course": ("Ids settled", began and data.progress.asked_for),
        "outcomes": ("Calls by outcome", began),
        "latency": ("How long calls take", data.seconds),
        "fastest": ("Fastest growing videos", data.growth.fastest),
        "fresh": ("Views of the newest videos", data.growth.newest),
        "faults": ("Faults", data.overview.faults),
        "failed": ("Failed ids", data.failed),
        "listings": ("Channels and playlists", data.overview.summary.listings.records),
        "runs": ("Newest runs", data.overview.runs),
        "newest": ("Newest videos", data.newest),
    }
    return {name: heading for name, (heading, anything) in sections.items() if anything}


def _shown_listings(listings: Listings) -> Sequence[ListingRecord]:
    """Those that are not read to their end first, then the newest."""
    notable = listings.notable
    others = (record for record in reversed(listings.records) if record not in notable)
    return list(islice(chain(notable, others), _MOST_LISTINGS))


def _charts(data: PageData, course: Course, days: Sequence[DayLine], buckets: Sequence[Bucket]) -> dict[str, Any]:
    labels = [f"{line.day:%m-%d}" for line in days]
    # The bars of a few days would be as wide as the chart.
    room = [""] * (_LEAST_BARS - len(days))
    units = [line.counts.units if line.counts else 0 for line in days]
    summary = data.overview.summary
    limit = summary.daily_units
    span = f"{days[0].day} to {days[-1].day}"
    # The sums are those of each day's end: a crawl's first day begins at 0.
    from_nothing = days[0].day == course.first
    settled = max((line.settled for line in days if line.settled is not None), default=0)
    return {
        "units": chart(
            "Bar",
            "chart-units",
            "Units a day",
            f"Bars, {span}: at most {count(max(units), 'unit')} on a day, of {limit:,} allowed.",
            labels + room,
            {"Units a day": units},
            limit=limit,
        ),
        "course": chart(
            "Line",
            "chart-course",
            "Ids settled over time, against the plan",
            f"Lines, {span}: {count(settled, 'id')} settled, {data.progress.asked_for:,} to settle.",
            ["", *labels] if from_nothing else labels,
            {
                "settled": [0] * from_nothing + [line.settled for line in days],
                "planned": [0] * from_nothing + [line.planned for line in days],
            },
            show_dots=False,
            include_x_axis=True,
        ),
        "outcomes": chart(
            "StackedBar",
            "chart-outcomes",
            "Calls a day, by outcome",
            f"Stacked bars, {span}: {count(summary.calls_ok, 'good call')} in all, {summary.calls_failed:,} failed, "
            f"{summary.calls_abandoned:,} abandoned.",
            labels + room,
            {
                name: [getattr(line.counts, name) if line.counts else 0 for line in days]
                for name in ("ok", "failed", "abandoned")
            },
        ),
        "latency": data.seconds
        and chart(
            "Bar",
            "chart-latency",
            "Good calls by how long they took",
            f"Bars of {count(len(data.seconds), 'call')}; each is labelled with the seconds its calls stayed below.",
            [bucket.below for bucket in buckets],
            {"Good calls by how long they took": [bucket.calls for bucket in buckets]},
            most_labels=len(buckets),
        ),
    }


def _growth_charts(growth: Growth) -> dict[str, Any]:
    days = growth.days
    labels = [f"{day:%m-%d}" for day in days]
    span = f"{days[0]} to {days[-1]}" if days else ""
    gained = [[video.gained_by(day) for day in days] for video in growth.fastest]
    views = [[video.views.get(day) for day in days] for video in growth.newest]
    how: dict[str, Any] = {"show_dots": False, "value_formatter": short}
    return {
        "fastest": growth.fastest
        and chart(
            "Line",
            "chart-fastest",
            "Views gained by the fastest growing videos",
            f"Lines, {span}: from 0 on the first day of each to {max(video.gained for video in growth.fastest):,}.",
            labels,
            {str(number): line for number, line in enumerate(gained)},
            **how,
        ),
        "fresh": growth.newest
        and chart(
            "Line",
            "chart-fresh",
            "Views of the videos published last",
            f"Lines, {span}: at most {max(max(video.views.values()) for video in growth.newest):,} views.",
            labels,
            {str(number): line for number, line in enumerate(views)},
            **how,
        ),
    }


def _bar(progress: Progress) -> list[tuple[str, int]]:
    """The ids that can be asked for, by outcome; outcomes without ids are left out."""
    parts = [
        (state.label, progress.videos[state]) for state in (VideoState.FETCHED, VideoState.MISSING, VideoState.FAILED)
    ]
    return [(name, ids) for name, ids in (*parts, ("left", progress.asked_for - progress.settled)) if ids]


def _buckets(seconds: Sequence[float]) -> list[Bucket]:
    buckets = []
    for low, high in pairwise((0.0, *_EDGES, inf)):
        calls = sum(low <= each < high for each in seconds)
        if high == inf:
            buckets.append(Bucket(f"{low:g} and more", "more", calls))
        else:
            buckets.append(Bucket(f"{low:g} to {high:g}", f"{high:g}", calls))
    return buckets


def _percentiles(seconds: Sequence[float]) -> list[tuple[str, float]]:
    """By nearest rank, so that each is the duration of a real call."""
    ranked = sorted(seconds)
    found = [(f"{percent}% within", ranked[-(-percent * len(ranked) // 100) - 1]) for percent in _PERCENTILES if ranked]
    return [*found, ("the slowest", ranked[-1])] if ranked else []
