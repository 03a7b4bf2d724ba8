"""retry: make failed or missing ids pending again."""

from __future__ import annotations

import click

from harvester.cli.shared.console import show_next
from harvester.cli.shared.global_options import GlobalOptions


@click.command(epilog="Example: harvester retry --failed --missing")
@click.option("--failed", is_flag=True, help="Failed ids: given up after every attempt. [the default]")
@click.option("--missing", is_flag=True, help="Ids that the API's answer omitted: some come back.")
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="R",
    help="Only failed ids whose last call ended with R, such as backendError; may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Say how many ids it would be; change nothing.")
@click.pass_obj
def retry(options: GlobalOptions, failed: bool, missing: bool, reasons: tuple[str, ...], dry_run: bool) -> None:
    """Put failed or missing ids back to pending.

    Spends no unit by itself, and may be used during a run. Next: harvester run,
    which asks for them again at the usual price.
    """
    import asyncio

    from harvester.model import VideoState
    from harvester.support.sanitize import is_unicode

    if missing and reasons:
        raise click.UsageError("--reason is of failed ids; a missing one comes of a good answer and has none.")
    if not all(map(is_unicode, reasons)):
        raise click.UsageError("--reason is not UTF-8, so no reason equals it.")
    states = [VideoState.FAILED] if failed or not missing else []
    states += [VideoState.MISSING] if missing else []
    moved = asyncio.run(options.harvester().requeue(states, reasons, dry_run=dry_run))
    for each in states:
        click.echo(f"{each.label:7}  {moved[each]:>9,}  {'would be ' if dry_run else ''}pending again")
    if any(moved.values()) and not dry_run:
        show_next("Next: harvester run", options.verbosity)
