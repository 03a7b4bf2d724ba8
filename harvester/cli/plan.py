"""plan: calculate a crawl before a unit is spent."""

from __future__ import annotations

import click

from harvester.cli.shared.console import show, show_next, warn_of_clock
from harvester.cli.shared.global_options import GlobalOptions


@click.command(epilog="Example: harvester plan --videos 631348 --units-per-call 11")
@click.option("--videos", type=click.IntRange(min=0), help="How many ids. [default: those left in the ledger]")
@click.option(
    "--units-per-call", type=click.IntRange(min=1), help="The price of a call. [default: quota.units_per_call]"
)
@click.pass_obj
def plan(options: GlobalOptions, videos: int | None, units_per_call: int | None) -> None:
    """Calculate calls, units and days before a unit is spent.

    Also hours and storage. Needs no key and no network. Next: harvester run --dry-run, then harvester run.
    """
    from harvester.report import command_results
    from harvester.report.listings import to_come

    harvester = options.harvester()
    planned = harvester.plan(videos, units_per_call)
    at_one_unit = None if planned.units_per_call == 1 else harvester.plan(videos, 1)
    first = "" if videos is not None else to_come(harvester.overview(1).summary.listings)
    show(*command_results.plan(planned, at_one_unit, harvester.config.statistics.every, first))
    if videos is None:
        warn_of_clock(harvester)
        if planned.videos or first:
            show_next("Next: harvester run --dry-run, then harvester run", options.verbosity)
