"""prune: delete old responses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from harvester.cli.shared.console import can_ask, fold
from harvester.cli.shared.global_options import GlobalOptions
from harvester.cli.shared.parameters import parse_age

if TYPE_CHECKING:
    from datetime import timedelta

    from harvester.app import Harvester
    from harvester.model import Stored


@click.command(epilog="\b\nExample: harvester prune --older-than 30d\nExample: harvester prune")
@click.option(
    "--older-than", callback=parse_age, metavar="AGE", help="Such as 30d, 12h or 4w. [default: only old statistics]"
)
@click.option("--dry-run", is_flag=True, help="Say how much it would be; delete nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def prune(options: GlobalOptions, older_than: timedelta | None, dry_run: bool, yes: bool) -> None:
    """Delete stored responses and statistics past their age.

    YouTube's terms allow 30 days. Spends no unit by itself. The deleted videos are pending again: harvester run fetches
    them again, at the usual price; missing ids stay missing. Statistics past statistics.keep_days are deleted too, and
    nothing else without --older-than; no call brings them back. The newest of a stored response stay with it. The
    ledger keeps each call, and a record of deleted responses. Renew published files and backups yourself. harvester
    refresh fetches again instead, without a gap. On a terminal it asks before it deletes a response; in a script it
    does not.
    """
    import asyncio
    import shlex

    harvester = options.harvester()
    would = "would be " if dry_run else ""
    if older_than is None:
        _show_statistics(harvester, asyncio.run(harvester.prune_statistics(dry_run=dry_run)), would)
        return
    if not (yes or dry_run) and can_ask():
        old = asyncio.run(harvester.prune(older_than, dry_run=True))
        if old.responses:
            _show_pruned(harvester, old, "would be ")
            if not click.confirm("Delete them?"):
                click.echo("Nothing was deleted.")
                return
    pruned = asyncio.run(harvester.prune(older_than, dry_run=dry_run))
    _show_pruned(harvester, pruned, would)
    if statistics := asyncio.run(harvester.prune_statistics(dry_run=dry_run)):
        _show_statistics(harvester, statistics, would)
    file = harvester.config.ledger.path
    if pruned.responses and not dry_run and file is not None:
        name = shlex.quote(str(file))
        hint = (
            "The ledger's file does not shrink: what comes next is written over its free pages. To shrink it and wipe "
            "them, while nothing else uses it and with as much room free:"
        )
        click.echo(f"{fold(hint, sys.stdout)}\nsqlite3 {name} VACUUM")


def _show_statistics(harvester: Harvester, answers: int, would: str) -> None:
    days = harvester.config.statistics.keep_days
    what = f"answers {would}deleted, older than statistics.keep_days = {days}"
    click.echo(fold(f"statistics {answers:>9,}  {what}", sys.stdout, indent=22))


def _show_pruned(harvester: Harvester, pruned: Stored, would: str) -> None:
    """Show how much was deleted, and what fetching it again costs."""
    from harvester.report.wording import size
    from harvester.support.sanitize import count

    sizes = f"{size(pruned.stored_bytes)} ({size(pruned.raw_bytes)} of JSON)"
    click.echo(fold(f"responses  {pruned.responses:>9,}  {would}deleted, {sizes}", sys.stdout, indent=22))
    click.echo(f"videos     {pruned.videos:>9,}  {would}pending again")
    if pruned.videos:
        planned = harvester.plan(pruned.videos)
        costs = f"{count(planned.calls, 'call')} and {count(planned.units, 'unit')}"
        click.echo(f"Fetching those videos again costs {costs}, at {planned.units_per_call:,} a call.")
