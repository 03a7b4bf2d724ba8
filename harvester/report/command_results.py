"""Results of commands, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from harvester.crawl.run_report import Ending, RunReport
from harvester.ledger.records import Loaded
from harvester.model import Progress, Stored, VideoState
from harvester.plan import SECONDS_PER_CALL, Plan
from harvester.report.blocks import Block, Column, Line
from harvester.report.listings import to_come
from harvester.report.result_types import Check, DayReport, DryRun, Due
from harvester.report.summary import OTHER_IDS, no_valid_ids
from harvester.report.wording import EMPTY, size
from harvester.support.sanitize import agree, count, escaped, shown

if TYPE_CHECKING:
    from harvester.export import Manifest

_FIGURES = (Column(), Column(right=True), Column("dim"))


def loaded(result: Loaded) -> list[Line | Block]:
    """What a load did, and what it found that cannot be an id."""
    numbers = {
        "rows read": result.rows,
        "distinct": result.distinct,
        "new": result.new,
        "already there": result.already_there,
        "invalid": result.invalid,
    }
    notes = []
    if result.invalid:
        notes.append(f"Not video ids, kept as invalid and never sent, such as {_examples(result.invalid_examples)}")
    if result.unusual_examples:
        examples = _examples(result.unusual_examples)
        notes.append(f"No known id ends as these do; they are asked for all the same: {examples}")
    table = Block(_FIGURES[:2], rows=[(name, f"{number:,}") for name, number in numbers.items()])
    return [table, *(Line(note, "yellow") for note in notes)]


def load_warning(result: Loaded) -> str:
    """The warning about a load; empty if there is none."""
    if result.mostly_valid:
        return ""
    rows = f"{result.invalid_rows:,} of {count(result.rows, 'row')} hold no video id"
    texts = f"{result.invalid:,} of {count(result.distinct, 'text')}"
    return (
        f"{rows} ({texts}), such as {_examples(result.invalid_examples[:3])}. Is it the right column? They are kept as "
        "invalid and never sent. To take them out again: harvester remove --invalid"
    )


def plan(result: Plan, at_one_unit: Plan | None, statistics_every: str | None, first: str) -> list[Line | Block]:
    """The arithmetic of a crawl, its days at a unit a call, what statistics every so often will cost, and what comes
    `first`."""
    spell = _span(at_one_unit or result)
    one_unit = f"at 1 unit a call, {spell}: set quota.units_per_call = 1 once your console agrees"
    rows = (
        ("videos", f"{result.videos:,}", ""),
        ("calls", f"{result.calls:,}", "50 videos a call"),
        ("units", f"{result.units:,}", f"{result.units_per_call:,} a call"),
        ("calls a day", f"{result.calls_a_day:,}", ""),
        ("videos a day", f"{result.videos_a_day:,}", ""),
        ("days", f"{result.days:,}", _span(result) if result.days else ""),
        *([("days", f"{at_one_unit.days:,}", one_unit)] if at_one_unit and result.days else []),
        ("hours", _hours(result.hours_one_by_one), f"one by one, at {SECONDS_PER_CALL:g} s a call"),
        ("hours", _hours(result.hours_at_concurrency), f"{count(result.concurrency, 'call')} at once"),
        *(
            [("statistics", f"{result.calls:,}", f"units each {statistics_every}, of another quota")]
            if statistics_every
            else []
        ),
        ("storage", size(result.stored_bytes), "in the ledger, compressed"),
    )
    if not (result.videos or first):
        first = "No id is pending. Next: harvester load SOURCE; or plan without any: harvester plan --videos N"
    return [Block(_FIGURES, rows=rows), *([Line(first)] if first else [])]


def dry_run(result: DryRun) -> Line:
    """What a run would do."""
    first = to_come(result.summary.listings)
    return Line("\n".join([*([first] if first else []), _dry_run(result)]))


def _dry_run(result: DryRun) -> str:
    price, left = result.summary.units_per_call, result.summary.remaining
    if not result.calls:
        if result.summary.videos[VideoState.PENDING]:
            cannot_pay = f"a call costs {count(price, 'unit')}, and {left:,} {agree(left, 'is')} left today"
            return f"Nothing would be sent: {cannot_pay}.\nRun it again after the quota's reset."
        if result.summary.listings.unfinished:
            return "No id is pending yet. Nothing was sent, spent or changed."
        return "Nothing would be sent: no id is pending.\nNext: harvester load SOURCE"
    first, last = result.first_ids[0], result.first_ids[-1]
    return (
        f"Would send {count(result.calls, 'call')} for {count(result.videos, 'id')} and spend "
        f"{result.calls * price:,} of the {count(left, 'unit')} left today.\n"
        f"It would take about {result.seconds:,.0f} s, at {SECONDS_PER_CALL:g} s a call.\n"
        f"The first call would ask for {count(len(result.first_ids), 'id')}: "
        f"{first if first == last else f'{first} … {last}'}\n"
        "Nothing was sent, spent or changed."
    )


def run(report: RunReport, progress: Progress) -> Line:
    """What a run did, and what is left."""
    lines = [
        f"{_sentence(report.ending)}: {count(report.calls, 'call')}, {count(report.units, 'unit')}, "
        f"{report.fetched:,} fetched, {report.missing:,} missing, {report.failed:,} failed."
    ]
    if report.pages:
        lines.append(
            f"Read {count(report.pages, 'page')} of channels and playlists, with {count(report.listed, 'id')}."
        )
    lines += _for_nothing(report)
    if statistics := report.statistics:
        lines += [f"Statistics of {_renewed(statistics, STATISTICS)}"] if statistics.calls else []
        lines += _for_nothing(statistics)
        if statistics.ending is not Ending.NOTHING_LEFT:
            lines.append(f"{_sentence(statistics.ending)}: the next run goes on with the statistics.")
    if left := progress.asked_for - progress.settled:
        lines.append(f"{left:,} of {count(progress.asked_for, 'id')} {agree(left, 'is')} left.")
    elif progress.total or not report.calls:
        lines.append("Every id is settled." if progress.total else EMPTY)
    return Line("\n".join(lines))


def _sentence(text: str) -> str:
    """Capitalise the first letter and keep the rest."""
    return text[:1].upper() + text[1:]


def _for_nothing(report: RunReport) -> list[str]:
    lines = []
    if report.wasted:
        reasons = ", ".join(f"{reason} {number:,}" for reason, number in report.wasted.most_common())
        lines.append(f"{count(report.wasted.total(), 'call')} brought nothing: {reasons}.")
    if report.recovered:
        lines.append(f"Taken back first: {count(report.recovered, 'call')} of a run that had died.")
    if report.pruned:
        lines.append(f"Deleted past statistics.keep_days: {count(report.pruned, 'answer')} with statistics.")
    return lines


class Aged(NamedTuple):
    """The words for what a refresh renews."""

    none: str
    one: str
    some: str
    found: str
    gone: str


RESPONSES = Aged("No stored response is", "1 response is", "{:,} responses are", "fetched", "missing now")
STATISTICS = Aged(
    "No statistics are",
    "The statistics of 1 response are",
    "The statistics of {:,} responses are",
    "with new counts",
    "with those of before",
)


def due(result: Due, older_than: timedelta | None, what: Aged = RESPONSES) -> Line:
    """What a refresh would do."""
    if not result.old.responses:
        return Line(_older(0, older_than, what))
    return Line(
        f"{_older(result.old.responses, older_than, what)} They hold {count(result.old.videos, 'video')}.\n"
        f"Would send {count(result.calls, 'call')} now and spend {result.units:,} of the "
        f"{count(result.remaining_units, 'unit')} left today.\n"
        "Nothing was sent, spent or changed."
    )


def refreshed(report: RunReport, left: Stored, older_than: timedelta | None, what: Aged = RESPONSES) -> Line:
    """What a refresh did, and what is left."""
    ending = "" if report.ending is Ending.NOTHING_LEFT or not left.responses else f"{_sentence(report.ending)}. "
    lines = [
        f"Refreshed {_renewed(report, what)}",
        *_for_nothing(report),
        ending + _older(left.responses, older_than, what, still=True),
    ]
    if left.responses and report.ending in (Ending.BUDGET_SPENT, Ending.DAY_CLOSED):
        lines.append("Run it again after the quota's reset.")
    return Line("\n".join(lines))


def _renewed(report: RunReport, what: Aged) -> str:
    videos, calls = count(report.fetched + report.missing, "video"), count(report.calls, "call")
    found = f"{report.fetched:,} {what.found}, {report.missing:,} {what.gone}"
    return f"{videos} in {calls} ({count(report.units, 'unit')}): {found}."


def _older(responses: int, than: timedelta | None, what: Aged, *, still: bool = False) -> str:
    which = (what.none, what.one)[responses] if responses < 2 else what.some.format(responses)
    which += " still" if still and responses else ""
    if than is None:
        return f"{which} of other parts than youtube.parts names."
    hours = than // timedelta(hours=1)
    age = count(hours, "hour") if hours % 24 else count(than.days, "day")
    return f"{which} older than {age}."


def exported(manifest: Manifest, uri: str) -> Line:
    """What was published where."""
    parts = "" if manifest.parts is None else f" in {count(len(manifest.parts), 'part')}"
    what = f"{count(manifest.videos, 'video')} of {count(manifest.responses, 'response')}"
    if manifest.table == "statistics":
        what = f"{count(manifest.videos, 'row')} of statistics"
    lines = [f"{shown(uri)}: {what}{parts}, {size(manifest.bytes)}, sha256 {manifest.sha256[:16]}…"]
    invalid = {VideoState.INVALID: manifest.counts["invalid"]}
    if not manifest.counts["total"]:
        lines.append(EMPTY)
    elif all_invalid := no_valid_ids(manifest.counts["total"], invalid):
        lines.append(f"{all_invalid}\n{OTHER_IDS}")
    elif not manifest.responses:
        lines.append("No response is stored yet. Next: harvester run")
    left = manifest.counts["pending"] + manifest.counts["claimed"]
    if left:
        lines.append(f"The crawl is not complete: {count(left, 'id', 'is')} left to ask for. The manifest says so.")
    return Line("\n".join(lines))


def rehearsed_day(day: DayReport, columns: int) -> str:
    """One line for one simulated day."""
    numbers = (day.calls, day.units, day.fetched, day.missing, day.wasted)
    done = f"{100 * day.settled / max(1, day.asked_for):.0f}%"
    return day_line(columns, str(day.day), *(f"{number:,}" for number in numbers), done)


def day_line(columns: int, *cells: str) -> str:
    """Align the cells. Where there is no room for all, units and calls that were wasted are left out."""
    wide, narrow = "{:<10}  {:>7}  {:>8}  {:>8}  {:>8}  {:>6}  {:>5}", "{0:<10}  {1:>7}  {3:>8}  {4:>8}  {6:>5}"
    return (narrow if columns < 66 else wide).format(*cells)


def rehearsed(checks: Sequence[Check]) -> list[Line | Block]:
    """Each promise, kept or broken."""
    kept, broken = Line("kept", "green"), Line("BROKEN", "bold red")
    rows = [(kept if check.kept else broken, f"{check.promise}: {check.figures}") for check in checks]
    end = Line("passed", "bold green") if all(check.kept for check in checks) else Line("failed", "bold red")
    return [Line(), Block((Column(), Column()), rows=rows), Line(), end]


def _span(result: Plan) -> str:
    return f"{result.begins_on} to {result.finishes_on}" if result.days > 1 else f"on {result.finishes_on}"


def _hours(hours: float) -> str:
    if 0 < hours < 0.01:
        return "<0.01"
    return f"{hours:,.2f}" if hours < 1 else f"{hours:,.1f}"


def _examples(texts: Iterable[str]) -> str:
    return ", ".join(escaped(text, 40) for text in texts)
