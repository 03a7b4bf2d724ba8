"""`harvester status` for a person who looks once a day: one screen of 80 columns by 24 lines, and readable at 40."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from harvester.model import FaultCount, RunRecord, VideoState
from harvester.report.blocks import Block, Column, Line
from harvester.report.listings import Listings, how_far, name_of
from harvester.report.next_steps import ending, steps, under_way
from harvester.report.result_types import History, Overview
from harvester.report.summary import Summary
from harvester.report.wording import MEANINGS, size, took, utc
from harvester.support.sanitize import count, shown

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

NARROW = 72
"""Columns below which explanations are left out and long lines are put on two."""
ROOMY = 130
"""Columns from which hosts and endings may be long."""
RUN_HEADINGS = ("run", "began (UTC)", "took", "how it ended", "where")
BAR_COLUMNS = 30
REASON_CHARS = 24
RUNS = 3
RUNS_AT_WORK = 12
REASONS = 3
LISTINGS = 3

SHORT_MEANINGS = MEANINGS | {VideoState.MISSING: "the API has none: deleted, private or never there"}


@dataclass(frozen=True)
class Screen:
    """How far, today's units, when it will be done, what was wasted, the last runs, what to do. For rich to print, with
    a `bar`, or as lines of any length."""

    overview: Overview
    bar: bool = False
    ledger: str = ""
    """Its name, where it is to be shown."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[RenderableType]:
        narrow = options.max_width < NARROW
        yield _with_bar(self.overview.summary, self._how_far, narrow) if self.bar else self._how_far
        yield from self._rest(options.max_width)

    def lines(self) -> Iterator[str]:
        """Yield its lines."""
        return chain.from_iterable(block.lines() for block in (self._how_far, *self._rest(ROOMY)))

    @property
    def _how_far(self) -> Line:
        summary = self.overview.summary
        where = f" in {shown(self.ledger)}" if self.ledger else ""
        return Line(f"{summary.percent_shown:.1f}% of {count(summary.asked_for, 'id')}{where}")

    def _rest(self, columns: int) -> Iterator[Line | Block]:
        summary, runs, now = self.overview.summary, self.overview.runs, self.overview.now
        yield Line()
        yield _videos(summary, narrow=columns < NARROW)
        yield Line()
        yield _facts(summary, self.overview.faults, now, self.overview.history)
        if runs:
            yield Line()
            yield from _runs(runs, now, columns)
        yield Line()
        for step in steps(self.overview):
            yield Line(step, "bold")


def _with_bar(summary: Summary, words: Line, narrow: bool) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    asked_for = summary.asked_for
    drawn = ProgressBar(
        max(1, asked_for), asked_for - summary.unsettled, BAR_COLUMNS, complete_style="cyan", finished_style="green"
    )
    line = Table.grid(padding=(0, 2))
    if narrow:
        line.add_row(drawn)
        line.add_row(words)
    else:
        line.add_row(drawn, words)
    return line


def _videos(summary: Summary, *, narrow: bool) -> Block:
    rows: list[Sequence[Line | str]] = []
    for state in VideoState:
        number = summary.videos[state]
        if number or state in (VideoState.PENDING, VideoState.FETCHED, VideoState.MISSING):
            style = "red" if state is VideoState.FAILED else ""
            meaning = "" if narrow else SHORT_MEANINGS[state]
            rows.append((Line(state.label, style), Line(f"{number:,}", style), meaning))
    rows.append(("total", f"{summary.total:,}", ""))
    return Block((Column(), Column(right=True, wrap=False), Column("dim")), rows=rows)


def _facts(summary: Summary, faults: Sequence[FaultCount], now: datetime, history: History) -> Block:
    closed = ", closed by the API" if summary.closed_by_server else ""
    others = f", {summary.elsewhere:,} by others" if summary.elsewhere else ""
    spent = f"{summary.spent:,} of {count(summary.daily_units, 'unit')} spent on {summary.day} (Pacific)"
    under_way = f", {summary.calls_open:,} under way" if summary.calls_open else ""
    calls = (
        f"{summary.calls:,}: {summary.calls_ok:,} good, {summary.calls_failed:,} failed, "
        f"{summary.calls_abandoned:,} abandoned{under_way}"
    )
    return Block(
        (Column("dim", wrap=False), Column()),
        rows=[
            ("today", f"{spent}{others}{closed}"),
            ("resets", _resets(summary.resets_at, now)),
            *_pace(summary),
            *_listings(summary.listings),
            ("calls", calls),
            *([("wasted", _wasted(summary.calls_wasted, faults))] if summary.calls_wasted else []),
            ("stored", f"{size(summary.stored_bytes)} ({size(summary.raw_bytes)} of JSON)"),
            *zip(("statistics", ""), history.in_words if history else (), strict=False),
        ],
    )


def _pace(summary: Summary) -> Iterable[tuple[str, str]]:
    """The pace so far, and what the quota allows at best."""
    run = f"{count(summary.days_run, 'day')} run"
    if not summary.unsettled:
        yield "days", f"{run}, {'none left' if summary.is_done else 'ids are still to be found'}"
        return
    seen = f"{count(round(summary.forecast.settled_a_day), 'id')} a day seen"
    if not summary.forecast.settled_a_day:
        yield "pace", f"none seen yet, {run}"
    elif summary.forecast.finishes_at_pace_on is None:
        yield "pace", f"{seen}, {run}: no end foreseen yet"
    else:
        yield "pace", f"{seen}, {run}: done on {summary.forecast.finishes_at_pace_on}"
    left = f"{count(summary.forecast.days_left, 'day')} left: done on {summary.forecast.finishes_on}"
    unread = ", without ids still to be found" if summary.listings.unfinished else ""
    yield "at best", f"{count(summary.forecast.possible_a_day, 'id')} a day, {left}{unread}"


def _listings(listings: Listings) -> Iterable[tuple[str, str]]:
    """Channels and playlists in sum, and some that are not read to their end."""
    if not listings.records:
        return
    yield "listings", f"{listings.in_words}; {listings.brought}"
    notable = listings.notable
    for record in notable[:LISTINGS]:
        yield "", f"{shown(name_of(record))} {how_far(record)}"
    if len(notable) > LISTINGS:
        yield "", f"and {len(notable) - LISTINGS:,} more: harvester status --listings"


def _wasted(calls: int, faults: Sequence[FaultCount]) -> str:
    reasons = [(shown(fault.reason, REASON_CHARS), fault.calls) for fault in faults]
    others = calls - sum(number for _, number in reasons)
    if others > 0:
        reasons.append(("others", others))
    return f"{count(calls, 'call')}: " + ", ".join(f"{reason} {number:,}" for reason, number in reasons)


def _runs(runs: Sequence[RunRecord], now: datetime, columns: int) -> Iterator[Line | Block]:
    """The newest runs, and others that are under way."""
    seen = [run for place, run in enumerate(runs) if place < RUNS or under_way(run, now)]
    yield _table_of_runs(seen[:RUNS_AT_WORK], now, columns)
    if len(seen) > RUNS_AT_WORK:
        yield Line(f"and {len(seen) - RUNS_AT_WORK:,} more under way", "dim")


def _table_of_runs(runs: Sequence[RunRecord], now: datetime, columns: int) -> Block:
    """The ledger's texts get the width that is left: run, beginning and duration are never cut."""
    narrow = columns < NARROW
    headings = ("run", "began (UTC)", "how it ended") if narrow else RUN_HEADINGS
    rows = []
    for run in runs:
        began = utc(run.started_at).removesuffix(" UTC")
        if narrow:
            rows.append([str(run.id), began[5:], shown(ending(run, now), 20)])
        else:
            length = took((run.ended_at or now) - run.started_at)
            where = shown(f"{run.host} {run.pid}", 18 if columns < ROOMY else 60)
            rows.append([str(run.id), began, length, shown(ending(run, now), 24 if columns < ROOMY else 40), where])
    return Block([Column("dim" if heading == "where" else "", wrap=False) for heading in headings], headings, rows)


def _resets(at: datetime, now: datetime) -> str:
    """In UTC and here, with the weekday where the date is another one."""
    here = at.astimezone()
    local = here.strftime("%H:%M" if here.date() == now.astimezone().date() else "%a %H:%M")
    return f"{utc(at)}, {local} here, in {took(at - now)}"
