"""retry and prune: ids that are to be asked for again."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from harvester.cli.console import fold
from harvester.cli.state import State

if TYPE_CHECKING:
    from datetime import timedelta

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_LONGEST_DAYS = 36_500


def _age(_ctx: click.Context, _param: click.Parameter, value: str) -> timedelta:
    """A number and a unit, such as `30d`."""
    from datetime import timedelta

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


@click.command(epilog="Example: harvester prune --older-than 30d")
@click.option("--older-than", callback=_age, required=True, metavar="AGE", help="As 30d, 12h or 4w.")
@click.option("--dry-run", is_flag=True, help="Say how much it would be; delete nothing.")
@click.pass_obj
def prune(state: State, older_than: timedelta, dry_run: bool) -> None:
    """Delete stored responses past the age that you name.

    YouTube's terms allow 30 days. Spends no unit by itself. The videos in what is deleted are pending again: harvester
    run fetches them anew, at the usual price; missing ids stay missing. The ledger keeps each
    call, and a line of what was deleted. Published files and backups are yours to renew.
    """
    import asyncio
    import shlex

    from harvester.report.terminal import size

    harvester = state.harvester()
    pruned = asyncio.run(harvester.prune(older_than, dry_run=dry_run))
    would = "would be " if dry_run else ""
    sizes = f"{size(pruned.stored_bytes)} ({size(pruned.raw_bytes)} of JSON)"
    click.echo(fold(f"responses  {pruned.responses:>9,}  {would}deleted, {sizes}", sys.stdout, indent=22))
    click.echo(f"videos     {pruned.videos:>9,}  {would}pending again")
    if pruned.responses and not dry_run:
        name = shlex.quote(str(harvester.config.ledger.path))
        told = (
            "The ledger's file does not shrink: what comes next is written over its free pages. To shrink it and wipe "
            "them, while nothing else uses it and with as much room free:"
        )
        click.echo(f"{fold(told, sys.stdout)}\nsqlite3 {name} VACUUM")


COMMANDS = [retry, prune]
