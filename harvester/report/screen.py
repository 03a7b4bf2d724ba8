"""`harvester status` for a person who looks once a day: one screen of 80 columns by 24 lines, and readable at 40."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from harvester.model import FaultCount, RunRecord, VideoState
from harvester.report.listings import Listings, how_far, name_of
from harvester.report.next_steps import ending, steps, under_way, utc
from harvester.report.results import Overview
from harvester.report.summary import Summary
from harvester.report.terminal import MEANINGS, size, took
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
    """How far, today's units, when it will be done, what was wasted, the last runs, what to do. For rich to print.

    `bar` is for terminals.
    """

    overview: Overview
    bar: bool = False
    ledger: str = ""
    """Its name, where it is to be shown."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[RenderableType]:
        narrow = options.max_width < NARROW
        summary, runs, now = self.overview.summary, self.overview.runs, self.overview.now
        yield from _how_far(summary, self.ledger, bar=self.bar, narrow=narrow)
        yield Text()
        yield _videos(summary, narrow)
        yield Text()
        yield _facts(summary, self.overview.faults, now)
        if runs:
            yield Text()
            yield from _runs(runs, now, options.max_width)
        yield Text()
        for step in steps(self.overview):
            yield Text(step, style="bold")


def _how_far(summary: Summary, ledger: str, *, bar: bool, narrow: bool) -> Iterable[RenderableType]:
    asked_for = summary.asked_for
    words = Text(f"{summary.percent_shown:.1f}% of {count(asked_for, 'id')}{f' in {shown(ledger)}' if ledger else ''}")
    if not bar:
        yield words
        return
    from rich.progress_bar import ProgressBar

    drawn = ProgressBar(
        max(1, asked_for), asked_for - summary.unsettled, BAR_COLUMNS, complete_style="cyan", finished_style="green"
    )
    line = Table.grid(padding=(0, 2))
    if narrow:
        line.add_row(drawn)
        line.add_row(words)
    else:
        line.add_row(drawn, words)
    yield line


def _videos(summary: Summary, narrow: bool) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    for state in VideoState:
        number = summary.videos[state]
        if number or state in (VideoState.PENDING, VideoState.FETCHED, VideoState.MISSING):
            style = "red" if state is VideoState.FAILED else ""
            meaning = "" if narrow else SHORT_MEANINGS[state]
            table.add_row(Text(state.label, style), Text(f"{number:,}", style), meaning)
    table.add_row("total", f"{summary.total:,}", "")
    return table


def _facts(summary: Summary, faults: Sequence[FaultCount], now: datetime) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    closed = ", closed by the API" if summary.closed_by_server else ""
    others = f", {summary.elsewhere:,} by others" if summary.elsewhere else ""
    spent = f"{summary.spent:,} of {count(summary.daily_units, 'unit')} spent on {summary.day} (Pacific)"
    table.add_row("today", f"{spent}{others}{closed}")
    table.add_row("resets", _resets(summary.resets_at, now))
    for row in _pace(summary):
        table.add_row(*row)
    for row in _listings(summary.listings):
        table.add_row(*row)
    under_way = f", {summary.calls_open:,} under way" if summary.calls_open else ""
    table.add_row(
        "calls",
        f"{summary.calls:,}: {summary.calls_ok:,} good, {summary.calls_failed:,} failed, "
        f"{summary.calls_abandoned:,} abandoned{under_way}",
    )
    if summary.calls_wasted:
        table.add_row("wasted", _wasted(summary.calls_wasted, faults))
    table.add_row("stored", f"{size(summary.stored_bytes)} ({size(summary.raw_bytes)} of JSON)")
    return table


def _pace(summary: Summary) -> Iterable[tuple[str, str]]:
    """The pace so far, and what the quota allows at best."""
    run = f"{count(summary.days_run, 'day')} run"
    if not summary.unsettled:
        yield "days", f"{run}, {'none left' if summary.is_done else 'ids are still to be found'}"
        return
    seen = f"{count(round(summary.settled_a_day), 'id')} a day seen"
    if not summary.settled_a_day:
        yield "pace", f"none seen yet, {run}"
    elif summary.finishes_at_pace_on is None:
        yield "pace", f"{seen}, {run}: no end foreseen yet"
    else:
        yield "pace", f"{seen}, {run}: done on {summary.finishes_at_pace_on}"
    left = f"{count(summary.days_left, 'day')} left: done on {summary.finishes_on}"
    unread = ", without ids still to be found" if summary.listings.unfinished else ""
    yield "at best", f"{count(summary.possible_a_day, 'id')} a day, {left}{unread}"


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


def _runs(runs: Sequence[RunRecord], now: datetime, columns: int) -> Iterable[RenderableType]:
    """The newest runs, and others that are under way."""
    seen = [run for place, run in enumerate(runs) if place < RUNS or under_way(run, now)]
    yield _table_of_runs(seen[:RUNS_AT_WORK], now, columns)
    if len(seen) > RUNS_AT_WORK:
        yield Text(f"and {len(seen) - RUNS_AT_WORK:,} more under way", style="dim")


def _table_of_runs(runs: Sequence[RunRecord], now: datetime, columns: int) -> Table:
    """The ledger's texts get the width that is left: run, beginning and duration are never cut."""
    narrow = columns < NARROW
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("run", "began (UTC)", "how it ended") if narrow else RUN_HEADINGS:
        table.add_column(heading, style="dim" if heading == "where" else "", header_style="dim", no_wrap=True)
    for run in runs:
        began = utc(run.started_at).removesuffix(" UTC")
        if narrow:
            cells = [str(run.id), began[5:], shown(ending(run, now), 20)]
        else:
            length = took((run.ended_at or now) - run.started_at)
            where = shown(f"{run.host} {run.pid}", 18 if columns < ROOMY else 60)
            cells = [str(run.id), began, length, shown(ending(run, now), 24 if columns < ROOMY else 40), where]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _resets(at: datetime, now: datetime) -> str:
    """In UTC and here, with the weekday where the date is another one."""
    here = at.astimezone()
    local = here.strftime("%H:%M" if here.date() == now.astimezone().date() else "%a %H:%M")
    return f"{utc(at)}, {local} here, in {took(at - now)}"
