"""simulate: serve the simulated API."""

from __future__ import annotations

from typing import Any

import click

from harvester.cli.shared.parameters import FAULTS, FAULTS_HELP


@click.command(epilog="Example: harvester simulate --port 8080 --faults mild")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 for a free one.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same videos and faults.")
@click.option("--faults", type=FAULTS, default="none", show_default=True, help=FAULTS_HELP)
@click.option(
    "--daily-units", type=click.IntRange(min=0), default=10_000, show_default=True, help="The quota of a day."
)
@click.option(
    "--units-per-call", type=click.IntRange(min=1), default=11, show_default=True, help="The price of a call."
)
def simulate(**settings: Any) -> None:
    """Serve the simulated API on 127.0.0.1.

    Prints its base URL first, for youtube.base_url. Accepts any key. Ctrl-C ends it. It has channels of every size:
    @songs-120 has 120 uploads, @news-500-12 has 500 and 12 more on each day.
    """
    from harvester.simulator import SimulatorSettings
    from harvester.simulator.server import serve

    serve(SimulatorSettings(**settings))
