"""verify: check the ledger and a published file."""

from __future__ import annotations

import sys

import click

from harvester.cli.shared.console import fold
from harvester.cli.shared.global_options import GlobalOptions
from harvester.cli.shared.parameters import PLACE


@click.command(epilog="Example: harvester verify --export songs.json")
@click.option("--export", "published", metavar="DEST", type=PLACE, help="Check this published file too.")
@click.pass_obj
def verify(options: GlobalOptions, published: str | None) -> None:
    """Check that ids, calls, units and stored responses agree.

    Reads only, and spends no unit. Exit code 5 if they don't agree: then start no run, and keep the ledger as it is.
    """
    from harvester.cli.shared.progress_line import progress
    from harvester.report.next_steps import changed_parts
    from harvester.support.sanitize import count, shown

    harvester = options.harvester()
    with progress("verify", "video", options.verbosity) as callback:
        checked = harvester.verify(published, progress=callback)
    proved = (
        f"The ledger is consistent: {count(checked.total, 'id')}, {count(checked.calls, 'call')} on "
        f"{count(len(checked.days), 'day')}, {count(checked.responses, 'stored response')}."
    )
    click.echo(fold(proved, sys.stdout))
    if others := harvester.overview(1).other_parts:
        click.echo(fold(changed_parts(others), sys.stdout))
    if published:
        click.echo(fold(f"{shown(published)} is what its manifest says.", sys.stdout))
