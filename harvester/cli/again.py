"""retry, refresh and prune: ids that are to be asked for again, and what is stored of them once it is old."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click

from harvester.cli.console import can_ask, fold
from harvester.cli.state import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from harvester.app import Harvester
    from harvester.crawl.run_report import RunReport, Stop
    from harvester.model import Stored

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_LONGEST_DAYS = 36_500


def _age(_ctx: click.Context, _param: click.Parameter, value: str | None) -> timedelta | None:
    """A number and a unit, such as `30d`."""
    from datetime import timedelta

    if value is None:
        return None
    parts = re.fullmatch(r"([0-9]{1,6})([hdw])", value)
    age = timedelta(**{_UNITS[parts[2]]: int(parts[1])}) if parts else timedelta()
    if not timedelta() < age <= timedelta(days=_LONGEST_DAYS):
        raise click.BadParameter(f"{value!r} is no age: write 30d, 12h or 4w.")
    return age


@click.command(epilog="Example: harvester retry --failed --missing")
@click.option("--failed", is_flag=True, help="Ids that were given up after every attempt. [the default]")
@click.option("--missing", is_flag=True, help="Ids that the API answered without: some come back.")
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="R",
    help="Only failed ids whose last call ended so, as backendError; may be given again.",
)
@click.option("--dry-run", is_flag=True, help="Say how many it would be; change nothing.")
@click.pass_obj
def retry(state: State, failed: bool, missing: bool, reasons: tuple[str, ...], dry_run: bool) -> None:
    """Put failed or missing ids back to pending.

    Spends no unit by itself, and may be used beside a run. Next: harvester run asks for them again, at the usual price.
    """
    import asyncio

    from harvester.model import VideoState

    if missing and reasons:
        raise click.UsageError("--reason is of failed ids; a missing one comes of a good answer and has none.")
    states = [VideoState.FAILED] if failed or not missing else []
    states += [VideoState.MISSING] if missing else []
    moved = asyncio.run(state.harvester().put_back(states, reasons, dry_run=dry_run))
    for each in states:
        click.echo(f"{each.label:7}  {moved[each]:>9,}  {'would be ' if dry_run else ''}pending again")
    if any(moved.values()) and not dry_run:
        click.echo("harvester run asks for them.")


@click.command(epilog="\b\nExample: harvester refresh --older-than 25d\nExample: harvester refresh --statistics-only")
@click.option("--older-than", callback=_age, metavar="AGE", help="As 25d, 12h or 4w. [for statistics: 1d]")
@click.option("--changed-parts", is_flag=True, help="What was asked for with other parts than youtube.parts.")
@click.option("--statistics-only", is_flag=True, help="Only views, likes and comments: a unit a call, a quota apart.")
@click.option("--max-calls", type=click.IntRange(min=1), help="End after this many calls.")
@click.option("--dry-run", is_flag=True, help="Say how much it would be: send, spend and change nothing.")
@click.pass_obj
def refresh(
    state: State,
    older_than: timedelta | None,
    changed_parts: bool,
    statistics_only: bool,
    max_calls: int | None,
    dry_run: bool,
) -> None:
    """Fetch again what is old or has other parts.

    YouTube's terms allow 30 days. Spends units as a run does, and ends as one does: when nothing is left, when the
    day's units are spent, or when it is told to stop. An old response stays until the new one takes its place, so an
    export is whole at every moment. May be used beside a run.
    """
    import asyncio
    from datetime import timedelta

    from harvester.cli.console import show
    from harvester.cli.signals import stopped_by_signals
    from harvester.report import terminal

    if changed_parts and (statistics_only or older_than is not None):
        raise click.UsageError("--changed-parts goes with neither --older-than nor --statistics-only.")
    if older_than is None and not changed_parts:
        if not statistics_only:
            raise click.UsageError("--older-than says what is old: YouTube's terms allow 30 days, so 25d leaves some.")
        older_than = timedelta(days=1)
    harvester = state.harvester()
    due = harvester.due(older_than, max_calls, statistics_only=statistics_only)
    what = terminal.STATISTICS if statistics_only else terminal.RESPONSES
    if dry_run or not due.old.responses:
        show(terminal.due(due, older_than, what))
        return
    how = {"statistics_only": statistics_only, "max_calls": max_calls}
    with stopped_by_signals() as stop_by_signals:
        report, left = asyncio.run(
            _refresh(harvester, older_than, due.old.videos, state.verbosity, stop_by_signals, **how)
        )
    show(terminal.refreshed(report, left, older_than, what))


async def _refresh(
    harvester: Harvester,
    older_than: timedelta | None,
    videos: int,
    verbosity: int,
    stop_by_signals: Callable[[], Stop],
    **how: Any,
) -> tuple[RunReport, Stored]:
    from harvester.cli.progress import progress
    from harvester.cli.signals import told
    from harvester.crawl.run_report import RunReport
    from harvester.support.progress import Advance

    stop, so_far = stop_by_signals(), RunReport()
    with progress("refresh", "videos", verbosity) as watch:
        async with told(watch, lambda: Advance(so_far.fetched + so_far.missing, videos)):
            return await harvester.refresh(older_than, stop=stop, report=so_far, **how)


@click.command(epilog="Example: harvester prune --older-than 30d")
@click.option("--older-than", callback=_age, required=True, metavar="AGE", help="As 30d, 12h or 4w.")
@click.option("--dry-run", is_flag=True, help="Say how much it would be; delete nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def prune(state: State, older_than: timedelta, dry_run: bool, yes: bool) -> None:
    """Delete stored responses past the age that you name.

    YouTube's terms allow 30 days. Spends no unit by itself. The videos in what is deleted are pending again: harvester
    run fetches them anew, at the usual price; missing ids stay missing. The ledger keeps each
    call, and a line of what was deleted. Published files and backups are yours to renew. harvester refresh fetches
    again instead, without a gap. On a terminal it asks first; a script goes on at once.
    """
    import asyncio
    import shlex

    harvester = state.harvester()
    if not (yes or dry_run) and can_ask():
        old = asyncio.run(harvester.prune(older_than, dry_run=True))
        _tell_pruned(harvester, old, "would be ")
        if not old.responses:
            return
        if not click.confirm("Delete them?"):
            click.echo("Nothing was deleted.")
            return
    pruned = asyncio.run(harvester.prune(older_than, dry_run=dry_run))
    _tell_pruned(harvester, pruned, "would be " if dry_run else "")
    file = harvester.config.ledger.path
    if pruned.responses and not dry_run and file is not None:
        name = shlex.quote(str(file))
        told = (
            "The ledger's file does not shrink: what comes next is written over its free pages. To shrink it and wipe "
            "them, while nothing else uses it and with as much room free:"
        )
        click.echo(f"{fold(told, sys.stdout)}\nsqlite3 {name} VACUUM")


def _tell_pruned(harvester: Harvester, pruned: Stored, would: str) -> None:
    """How much it is, and what it costs to have it again."""
    from harvester.report.terminal import size
    from harvester.support.sanitize import count

    sizes = f"{size(pruned.stored_bytes)} ({size(pruned.raw_bytes)} of JSON)"
    click.echo(fold(f"responses  {pruned.responses:>9,}  {would}deleted, {sizes}", sys.stdout, indent=22))
    click.echo(f"videos     {pruned.videos:>9,}  {would}pending again")
    if pruned.videos:
        planned = harvester.plan(pruned.videos)
        costs = f"{count(planned.calls, 'call')} and {count(planned.units, 'unit')}"
        click.echo(f"Fetching those videos again costs {costs}, at {planned.units_per_call:,} a call.")


COMMANDS = [retry, refresh, prune]
