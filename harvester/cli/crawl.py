"""plan and run: before a unit is spent, and spending it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harvester.cli.console import show
from harvester.cli.state import State

if TYPE_CHECKING:
    from harvester.app import Harvester
    from harvester.model import Progress
    from harvester.run import RunReport


@click.command(epilog="Example: harvester plan --videos 631348 --units-per-call 11")
@click.option("--videos", type=click.IntRange(min=0), help="How many ids. [default: those left in the ledger]")
@click.option("--units-per-call", type=click.IntRange(min=1), help="[default: quota.units_per_call]")
@click.pass_obj
def plan(state: State, videos: int | None, units_per_call: int | None) -> None:
    """Do the arithmetic before a unit is spent. Needs no key and no network."""
    from harvester.report import terminal

    show(terminal.plan(state.harvester().plan(videos, units_per_call)))


@click.command(epilog="Example: harvester run --max-calls 10")
@click.option("--max-calls", type=click.IntRange(min=1), help="End after this many calls.")
@click.option("--until-done", is_flag=True, help="Sleep through each quota reset instead of ending.")
@click.option("--dry-run", is_flag=True, help="Show what would be done: send, spend and change nothing.")
@click.pass_obj
def run(state: State, max_calls: int | None, until_done: bool, dry_run: bool) -> None:
    """Fetch until the day's units are spent, nothing is left, or it is told to stop: the daily cron job.

    SIGINT and SIGTERM let the calls under way come home; a second one stops at once. Either way nothing is lost.
    """
    import asyncio

    from harvester.report import terminal

    harvester = state.harvester()
    if dry_run:
        show(terminal.dry_run(harvester.dry_run(max_calls)))
        return
    report, progress = asyncio.run(_run(harvester, max_calls, until_done))
    show(terminal.run(report, progress))


async def _run(harvester: Harvester, max_calls: int | None, until_done: bool) -> tuple[RunReport, Progress]:
    import asyncio
    import signal

    from harvester.run import Stop

    stop = Stop()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.ask)
    return await harvester.run(until_done=until_done, max_calls=max_calls, stop=stop)


COMMANDS = [plan, run]
