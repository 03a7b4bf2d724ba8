"""Summaries as a person likes to read them. Each function gives something that rich can print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harvester.model import Loaded, Progress, RunRecord, VideoState
from harvester.quota import SECONDS_PER_CALL, Plan
from harvester.report.summary import Summary
from harvester.run import Ending, RunReport
from harvester.text import shown

if TYPE_CHECKING:
    from harvester.app import DryRun
    from harvester.export import Manifest
    from harvester.rehearsal import Check, DayReport

MEANINGS = {
    VideoState.PENDING: "not yet asked for",
    VideoState.CLAIMED: "in a call under way",
    VideoState.FETCHED: "stored",
    VideoState.MISSING: "asked for, and the API has none: deleted, private or never there",
    VideoState.FAILED: "given up after every attempt",
    VideoState.INVALID: "not a video id, never sent",
}


def status(summary: Summary, runs: Sequence[RunRecord], *, bar: bool) -> RenderableType:
    """One screen: how far, today's units, when it will be done, the last runs. `bar` is for terminals."""
    parts: list[RenderableType] = [_how_far(summary, bar), Text(), _videos(summary), Text(), _facts(summary)]
    if runs:
        parts += [Text(), _runs(runs)]
    return Group(*parts, Text(), Text(next_step(summary), style="bold"))


def next_step(summary: Summary) -> str:
    """What the user would do now."""
    if summary.total == 0:
        return "The ledger is empty: harvester load fills it."
    if summary.unasked == 0:
        return "Every id is settled: harvester export publishes them."
    if summary.remaining < summary.units_per_call:
        return f"Nothing to do until the quota is reset at {_utc(summary.resets_at)}: then harvester run."
    return "harvester run goes on."


def _how_far(summary: Summary, bar: bool) -> RenderableType:
    settled = summary.total - summary.unasked - summary.videos[VideoState.INVALID]
    asked_for = summary.total - summary.videos[VideoState.INVALID]
    words = f"{summary.percent:.1f}% of {asked_for:,} videos"
    if not bar:
        return Text(words)
    from rich.progress_bar import ProgressBar

    line = Table.grid(padding=(0, 2))
    line.add_row(ProgressBar(total=max(1, asked_for), completed=settled, width=30), words)
    return line


def _videos(summary: Summary) -> Table:
    table = _grid()
    for state in VideoState:
        count = summary.videos[state]
        if count or state in (VideoState.PENDING, VideoState.FETCHED, VideoState.MISSING):
            style = "red" if state is VideoState.FAILED else ""
            table.add_row(Text(state.label, style), Text(f"{count:,}", style), Text(MEANINGS[state], "dim"))
    table.add_row("total", f"{summary.total:,}", "")
    return table


def _facts(summary: Summary) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    closed = ", closed by the API" if summary.closed_by_server else ""
    table.add_row(
        "today", f"{summary.spent:,} of {summary.daily_units:,} units spent on {summary.day} (Pacific){closed}"
    )
    table.add_row("resets", f"{_utc(summary.resets_at)}, {_local(summary.resets_at)} here")
    under_way = f", {summary.calls_open:,} under way" if summary.calls_open else ""
    table.add_row(
        "calls",
        f"{summary.calls:,}: {summary.calls_ok:,} good, {summary.calls_failed:,} failed, "
        f"{summary.calls_abandoned:,} abandoned{under_way}",
    )
    table.add_row("stored", f"{size(summary.stored_bytes)} ({size(summary.raw_bytes)} of JSON)")
    days = f"{count(summary.days_run, 'day')} run"
    if summary.unasked:
        table.add_row("days", f"{days}, {summary.days_left} left: done on {summary.finishes_on}")
    else:
        table.add_row("days", f"{days}, none left")
    return table


def _runs(runs: Sequence[RunRecord]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), title="last runs", title_justify="left", title_style="dim")
    for heading in ("run", "started", "ended", "how", "where"):
        table.add_column(heading, style="dim" if heading == "where" else "", header_style="dim")
    for run in runs:
        ended = _utc(run.ended_at) if run.ended_at else ""
        where = shown(f"{run.host} {run.pid}")
        table.add_row(str(run.id), _utc(run.started_at), ended, shown(run.reason or "under way"), where)
    return table


def loaded(result: Loaded) -> RenderableType:
    """What a load did, and what it met that cannot be an id."""
    table = _grid()
    for name, number in (
        ("rows read", result.rows),
        ("distinct", result.distinct),
        ("new", result.new),
        ("already there", result.already_there),
        ("invalid", result.invalid),
    ):
        table.add_row(name, f"{number:,}", "")
    notes = []
    if result.invalid:
        notes.append(f"Not video ids, kept as invalid and never sent, such as {_examples(result.invalid_examples)}")
    if result.unusual_examples:
        examples = _examples(result.unusual_examples)
        notes.append(f"No known id ends as these do; they are asked for all the same: {examples}")
    return Group(table, *(Text(note, style="yellow") for note in notes))


def plan(result: Plan) -> RenderableType:
    """The arithmetic of a crawl."""
    table = _grid()
    rows = (
        ("videos", f"{result.videos:,}", ""),
        ("calls", f"{result.calls:,}", "50 videos a call"),
        ("units", f"{result.units:,}", f"{result.units_per_call} a call"),
        ("calls a day", f"{result.calls_a_day:,}", ""),
        ("videos a day", f"{result.videos_a_day:,}", ""),
        ("days", f"{result.days:,}", f"begun today, done on {result.finishes_on}"),
        ("hours", f"{result.hours_one_by_one:,.1f}", f"one call after another, at {SECONDS_PER_CALL:g} s a call"),
        ("hours", f"{result.hours_at_concurrency:,.2f}", f"{result.concurrency} calls at once"),
        ("storage", size(result.stored_bytes), "in the ledger, compressed"),
    )
    for row in rows:
        table.add_row(*row)
    return table


def dry_run(result: DryRun) -> RenderableType:
    """What a run would do."""
    if not result.calls:
        left = f"{result.remaining_units:,} units are left today"
        return Text(f"Nothing would be sent: {left}, or no id is pending.")
    first = result.first_ids
    return Text(
        f"Would send {count(result.calls, 'call')} for {count(result.videos, 'video')} and spend {result.units:,} of "
        f"the {result.remaining_units:,} units left today.\n"
        f"It would take about {result.seconds:,.0f} s, at {SECONDS_PER_CALL:g} s a call.\n"
        f"The first call would ask for {count(len(first), 'video')}: {first[0]} … {first[-1]}\n"
        "Nothing was sent, spent or changed."
    )


def run(report: RunReport, progress: Progress) -> Text:
    """What a run did, and what is left."""
    lines = [
        f"{report.ending.capitalize()}: {count(report.calls, 'call')}, {report.units:,} units, "
        f"{report.fetched:,} fetched, {report.missing:,} missing, {report.failed:,} failed."
    ]
    if report.wasted:
        reasons = ", ".join(f"{reason} {number:,}" for reason, number in report.wasted.most_common())
        lines.append(f"{count(report.wasted.total(), 'call')} brought nothing: {reasons}.")
    if report.recovered:
        lines.append(f"{count(report.recovered, 'call')} of a run that had died were taken back first.")
    left = progress.videos[VideoState.PENDING] + progress.videos[VideoState.CLAIMED]
    lines.append(f"{left:,} of {progress.asked_for:,} ids are left." if left else "Every id is settled.")
    if left and report.ending in (Ending.BUDGET_SPENT, Ending.DAY_CLOSED):
        lines.append("Run it again after the quota's reset.")
    return Text("\n".join(lines))


def exported(manifest: Manifest, uri: str) -> RenderableType:
    """What was published where."""
    parts = "" if manifest.parts is None else f" in {count(len(manifest.parts), 'part')}"
    lines = [
        f"{shown(uri)}: {count(manifest.videos, 'video')} of {count(manifest.responses, 'response')}{parts}, "
        f"{size(manifest.bytes)}, sha256 {manifest.sha256[:16]}…"
    ]
    if not manifest.complete:
        left = manifest.counts["pending"] + manifest.counts["claimed"]
        lines.append(f"The crawl is not complete: {left:,} ids are left to ask for. The manifest says so.")
    return Text("\n".join(lines))


REHEARSED_HEADING = "day           calls     units   fetched   missing  wasted   done"


def rehearsed_day(day: DayReport, videos: int) -> str:
    """One line for one simulated day."""
    return (
        f"{day.day}  {day.calls:>7,}  {day.units:>8,}  {day.fetched:>8,}  {day.missing:>8,}  {day.wasted:>6,}  "
        f"{100 * day.settled / videos:>4.0f}%"
    )


def verdict(checks: Sequence[Check]) -> RenderableType:
    """Each promise, kept or broken."""
    lines = [Text()]
    for check in checks:
        word = Text("kept  ", "green") if check.kept else Text("BROKEN", "bold red")
        lines.append(word + Text(f"  {check.promise}: {check.figures}"))
    passed = all(check.kept for check in checks)
    return Group(*lines, Text(), Text("passed" if passed else "failed", "bold green" if passed else "bold red"))


def size(number: int) -> str:
    """Bytes in the largest unit that leaves at least one before the point."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def count(number: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    return table


def _examples(texts: Iterable[str]) -> str:
    return ", ".join(repr(shown(text, 40)) for text in texts)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M")
