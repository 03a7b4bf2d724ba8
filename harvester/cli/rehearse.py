"""rehearse and simulate: the whole crawl without a key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harvester.cli.console import result_columns, show
from harvester.cli.state import State

if TYPE_CHECKING:
    from harvester.report.rehearsal_results import Check, DayReport

FAULTS = click.Choice(["none", "mild", "hostile"])
FAULTS_HELP = "How often the API errs, hangs or answers nonsense."
REHEARSED_VIDEOS = 91_234
"""Two full quota days at 11 units a call, and a little of a third."""


@click.command(epilog="Example: harvester rehearse --videos 1000 --faults hostile")
@click.option("--videos", type=click.IntRange(min=1), default=REHEARSED_VIDEOS, show_default=True, help="How many ids.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed replays the same faults.")
@click.option("--faults", type=FAULTS, default="none", show_default=True, help=FAULTS_HELP)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("rehearsal"),
    show_default=True,
    help="The folder that it works in; made anew each time.",
)
@click.pass_obj
def rehearse(state: State, videos: int, seed: int, faults: str, out: Path) -> None:
    """Do a whole crawl, day by day, against the simulated API.

    The clock is simulated too; the code is the real one, with its own ledger in its own folder. No key, no network, no
    unit. It ends with a verdict that is computed from what the simulated API counted; exit code 5 if a promise was
    broken.
    """
    import asyncio

    from harvester.cli.logs import set_up_logging
    from harvester.cli.progress import progress
    from harvester.cli.signals import told
    from harvester.config import LogSettings
    from harvester.errors import InconsistentLedger
    from harvester.rehearsal import Rehearsal
    from harvester.report import terminal

    # The days are shown as they end; beside them only what is wrong is worth a line.
    set_up_logging(LogSettings(level="ERROR", format="json" if state.log_format == "json" else "text"), state.verbosity)
    columns = result_columns()
    click.echo(terminal.rehearsed_heading(columns))
    rehearsal = Rehearsal(out, videos=videos, seed=seed, faults=faults)

    def day_ended(day: DayReport) -> None:
        # Named, stdout is what it is at this moment, which keeps the line clear of the bar.
        click.echo(terminal.rehearsed_day(day, videos, columns), file=sys.stdout)

    async def play() -> list[Check]:
        with progress("rehearse", "videos", state.verbosity) as watch:
            async with told(watch, rehearsal.standing):
                return await rehearsal.play(day_ended, watch)

    checks = asyncio.run(play())
    show(terminal.verdict(checks))
    if not all(check.kept for check in checks):
        raise InconsistentLedger("The rehearsal broke a promise.", state=f"Its ledger and export are in {out}.")


@click.command(epilog="Example: harvester simulate --port 8080 --faults mild")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes a free one.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same videos and faults.")
@click.option("--faults", type=FAULTS, default="none", show_default=True, help=FAULTS_HELP)
@click.option(
    "--daily-units", type=click.IntRange(min=0), default=10_000, show_default=True, help="The quota of a day."
)
@click.option(
    "--units-per-call", type=click.IntRange(min=1), default=11, show_default=True, help="The price of a call."
)
def simulate(port: int, seed: int, faults: str, daily_units: int, units_per_call: int) -> None:
    """Serve the simulated API on 127.0.0.1.

    Its first line is the base URL, for youtube.base_url. It takes any key. Ctrl-C ends it.
    """
    from harvester.simulator import SimulatorSettings, serve

    serve(
        SimulatorSettings(
            port=port,
            seed=seed,
            faults=faults,  # type: ignore[arg-type]
            daily_units=daily_units,
            units_per_call=units_per_call,
        )
    )


COMMANDS = [rehearse, simulate]
