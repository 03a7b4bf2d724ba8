"""rehearse: run a whole crawl against the simulated API."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harvester.cli.shared.console import result_columns, show, show_next
from harvester.cli.shared.global_options import GlobalOptions
from harvester.cli.shared.parameters import FAULTS, FAULTS_HELP

if TYPE_CHECKING:
    from harvester.report.result_types import DayReport

REHEARSED_VIDEOS = 91_234
"""Two full quota days at 11 units a call, and the beginning of a third."""


@click.command(epilog="Example: harvester rehearse --videos 1000 --faults hostile")
@click.option("--videos", type=click.IntRange(min=1), default=REHEARSED_VIDEOS, show_default=True, help="How many ids.")
@click.option("--discover", is_flag=True, help="Find the videos in channels that grow, on three days or more.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed replays the same faults.")
@click.option("--faults", type=FAULTS, default="none", show_default=True, help=FAULTS_HELP)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("rehearsal"),
    show_default=True,
    help="The folder to work in; recreated each time.",
)
@click.pass_obj
def rehearse(options: GlobalOptions, videos: int, discover: bool, seed: int, faults: str, out: Path) -> None:
    """Do a whole crawl, day by day, against the simulated API.

    The clock is simulated too; the code is the real one, with a ledger in its own folder. No key, no network, no unit.
    Ends with which promises were kept, as the simulated API counts; exit code 5 if a promise was broken.
    """
    import asyncio
    import shlex

    from harvester.cli.shared.crawl_progress import report_progress
    from harvester.cli.shared.logs import set_up_logging
    from harvester.cli.shared.progress_line import progress
    from harvester.config import LogSettings
    from harvester.errors import InconsistentLedger
    from harvester.rehearsal import ChannelsRehearsal, Rehearsal
    from harvester.report import command_results
    from harvester.support.sanitize import shown

    # The days are shown as they end; besides them only problems are logged.
    set_up_logging(
        LogSettings(level="ERROR", format="json" if options.log_format == "json" else "text"), options.verbosity
    )
    columns = result_columns()
    click.echo(command_results.day_line(columns, "day", "calls", "units", "fetched", "missing", "wasted", "done"))
    rehearsal = (ChannelsRehearsal if discover else Rehearsal)(out, videos=videos, seed=seed, faults=faults)

    def day_ended(day: DayReport) -> None:
        # sys.stdout is looked up at each call, since the progress bar replaces it.
        click.echo(command_results.rehearsed_day(day, columns), file=sys.stdout)

    with (
        progress("rehearse", "video", options.verbosity) as callback,
        report_progress(callback, rehearsal.progress),
    ):
        checks = asyncio.run(rehearsal.play(day_ended, callback))
    show(*command_results.rehearsed(checks))
    show_next(
        f"\nThe ledger, the export and their settings are in {shown(str(out))}. Look around there:\n"
        f"  cd {shlex.quote(shown(str(out)))}\n  harvester status\n  harvester export songs.parquet",
        options.verbosity,
    )
    if not all(check.kept for check in checks):
        raise InconsistentLedger("The rehearsal broke a promise.", state=f"Its ledger and export are in {out}.")
