"""Summaries as a person likes to read them. Each function gives something that rich can print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harvester.model import Loaded, Progress, VideoState
from harvester.quota import SECONDS_PER_CALL, Plan
from harvester.run import Ending, RunReport
from harvester.text import shown

if TYPE_CHECKING:
    from harvester.app import DryRun
    from harvester.export import Manifest
    from harvester.rehearsal import Check, DayReport

EMPTY = "The ledger is empty: harvester load fills it."
MEANINGS = {
    VideoState.PENDING: "not yet asked for",
    VideoState.CLAIMED: "in a call under way",
    VideoState.FETCHED: "stored",
    VideoState.MISSING: "asked for, and the API has none: deleted, private or never there",
    VideoState.FAILED: "given up after every attempt",
    VideoState.INVALID: "not a video id, never sent",
}


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
    if result.videos:
        return table
    return Group(table, Text("No id is pending: harvester load brings some, and --videos N plans without any."))


def dry_run(result: DryRun) -> RenderableType:
    """What a run would do."""
    if not result.calls:
        left = f"{result.remaining_units:,} units are left today"
        what = f"Nothing would be sent: {left}, or no id is pending."
        return Text(f"{what}\nharvester status says which; harvester load brings ids.")
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
    if left:
        lines.append(f"{left:,} of {progress.asked_for:,} ids are left.")
    else:
        lines.append("Every id is settled." if progress.total else EMPTY)
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
    if not manifest.counts["total"]:
        lines.append(EMPTY)
    elif not manifest.responses:
        lines.append("No response is stored yet: harvester run fetches them.")
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
