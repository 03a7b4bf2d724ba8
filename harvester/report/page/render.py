"""`harvester status --html`: the whole crawl on one page that needs nothing but a browser.

Jinja2 escapes every text; `shown` takes out what acts on a reader even when escaped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, islice
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from harvester._version import __version__
from harvester.config import Config
from harvester.ledger.reader import LedgerReader
from harvester.listing_types import ListingRecord, Target
from harvester.model import Progress, RunCalls, VideoState
from harvester.report.crawl_status import Status, crawl_status
from harvester.report.days import day_lines, plan_course
from harvester.report.listings import Listings, how_far, to_read
from harvester.report.next_steps import ending, steps
from harvester.report.page.charts import buckets_of, charts, growth_charts
from harvester.report.page.videos import Growth, growth, sample
from harvester.report.result_types import Overview
from harvester.report.summary import Summary
from harvester.report.wording import MEANINGS, size, took, utc
from harvester.support.sanitize import count, shown

CONTENT_TYPE = "text/html; charset=utf-8"
MARKS = (b" harvester</title>", b"Harvest of YouTube metadata</")
"""One of them identifies such a page, of every version, in its first 64 KiB."""
RUNS, FAULTS, RESPONSES, VIDEOS = 10, 20, 2, 20
CALLS = 10_000
"""How many of the newest calls give the latencies."""
SYMBOLS = {Status.NOT_STARTED: "○", Status.ON_TIME: "✓", Status.LATE: "!", Status.DONE: "✓", Status.NEEDS_YOU: "!"}
_MAX_LISTINGS = 20
_PERCENTILES = (50, 90, 99)
# An option's value is a placeholder, a number or an age: any other word belongs to the sentence.
_MARKED = re.compile(
    r"(harvester [a-z]+(?: --?[a-z][a-z-]*(?: (?:[A-Z]+|\d+d?)\b)?| [A-Z]+\b)*|\bquota\.[a-z_]+ = \d+|\d{4}-\d\d-\d\d)"
)


def render(reader: LedgerReader, config: Config, overview: Overview) -> str:
    """The page, as one text of HTML. What `overview` lacks is read from the same snapshot."""
    summary, progress = overview.summary, overview.summary.progress
    first = progress.days[0].day if progress.days else summary.day
    course = plan_course(overview.loads, first, progress.asked_for, summary.forecast.possible_a_day)
    judged = crawl_status(overview, course)
    # The card of a crawl that has not started names its steps.
    listed = [] if judged.status is Status.NOT_STARTED else steps(overview)
    days = day_lines(progress.days, summary.day, course, done=progress.asked_for > 0 and summary.is_done)
    seconds = reader.good_call_seconds(CALLS)
    buckets = buckets_of(seconds)
    grown = growth(reader) if overview.history else Growth()
    template = _environment().get_template("page.html")
    return template.render(
        name=config.crawl_name,
        ledger_name=config.ledger.name,
        overview=overview,
        summary=summary,
        progress=progress,
        crawl=judged,
        symbol=SYMBOLS[judged.status],
        tiles=tiles(summary),
        bar=_bar(progress),
        steps=[step for step in listed if step != judged.sentence],
        days=days,
        charts=charts(summary, course, days, buckets) | growth_charts(grown) if progress.calls else {},
        seconds=seconds,
        buckets=buckets,
        percentiles=_percentiles(seconds),
        calls=reader.calls_of_runs([run.id for run in overview.runs]),
        listings=_shown_listings(summary.listings),
        growth=grown,
        failed=list(reader.failed(VIDEOS)) if progress.videos[VideoState.FAILED] else [],
        newest=sample(reader.newest_responses(RESPONSES), VIDEOS),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("harvester.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = {"number": "{:,}".format, "utc": utc, "shown": shown, "size": size, "took": took, "marked_up": marked_up}
    environment.filters.update(filters)
    environment.globals.update(count=count, ending=ending, how_far=how_far, meanings=MEANINGS, no_calls=RunCalls())
    environment.globals.update(Target=Target, version=__version__)
    return environment


def marked_up(sentence: str) -> Markup:
    """The sentence, escaped: commands and settings as `code`, which a click selects whole, dates that do not wrap."""
    parts = _MARKED.split(sentence)
    return Markup().join(_element(part) if place % 2 else escape(part) for place, part in enumerate(parts))


def _element(part: str) -> Markup:
    element = '<span class="when">{}</span>' if part[0].isdigit() else "<code>{}</code>"
    return Markup(element).format(part)  # noqa: S704 (the element is one of ours, the part is escaped)


class Tile(NamedTuple):
    label: str
    value: str
    note: str


def tiles(summary: Summary) -> list[Tile]:
    """How much is done, when it ends, what today cost, and what was lost."""
    settled = f"{summary.progress.settled:,} of {count(summary.asked_for, 'id')}"
    rest = "closed by the API" if summary.closed_by_server else f"reset at {utc(summary.resets_at)[11:]}"
    return [
        Tile("Done", f"{summary.percent_shown:.1f}%", settled),
        _end(summary),
        Tile("Units today", f"{summary.spent:,}", f"of {summary.daily_units:,}, {rest}"),
        _lost(summary),
    ]


def _end(summary: Summary) -> Tile:
    if not summary.unsettled and not summary.is_done:
        return Tile("Finishes on", "not known yet", to_read(summary.listings))
    if summary.is_done:
        last = next((day.day for day in reversed(summary.progress.days) if day.calls), summary.day)
        return Tile("Finished on", str(last), f"{count(summary.days_run, 'day')} run")
    at_best = f"at best on {summary.forecast.finishes_on}, {count(summary.forecast.days_left, 'day')} left"
    return Tile("Finishes on", str(summary.forecast.finishes_at_pace_on or summary.forecast.finishes_on), at_best)


def _lost(summary: Summary) -> Tile:
    wasted, failed = summary.calls_wasted, summary.videos[VideoState.FAILED]
    of_all = f"{100 * wasted / max(1, summary.calls):.1f}% of {count(summary.calls, 'call')}"
    value = f"{count(failed, 'id')}, {count(wasted, 'call')}" if failed else count(wasted, "call")
    return Tile("Failed or wasted", value, f"{of_all} brought nothing, {count(failed, 'id')} failed")


def _shown_listings(listings: Listings) -> Sequence[ListingRecord]:
    """Those that are not read to their end first, then the newest."""
    notable = listings.notable
    others = (record for record in reversed(listings.records) if record not in notable)
    return list(islice(chain(notable, others), _MAX_LISTINGS))


def _bar(progress: Progress) -> list[tuple[str, int]]:
    """The ids that can be asked for, by outcome; outcomes without ids are left out."""
    states = (VideoState.FETCHED, VideoState.MISSING, VideoState.FAILED)
    parts = {state.label: progress.videos[state] for state in states}
    parts["left"] = progress.asked_for - progress.settled
    return [(name, ids) for name, ids in parts.items() if ids]


def _percentiles(seconds: Sequence[float]) -> list[tuple[str, float]]:
    """By nearest rank, so that each is the duration of a real call."""
    ranked = sorted(seconds)
    found = [(f"{percent}% within", ranked[-(-percent * len(ranked) // 100) - 1]) for percent in _PERCENTILES if ranked]
    return [*found, ("the slowest", ranked[-1])] if ranked else []
