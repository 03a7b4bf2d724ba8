"""`python -m harvester.simulator`: serve the simulated API until told to stop."""

import argparse
import os
from datetime import datetime

from .faults import LEVELS
from .server import serve
from .settings import SimulatorSettings

VALID_KEY_VARIABLE = "SIMULATOR_VALID_KEY"


def main() -> None:
    """Read the command line and serve."""
    defaults = SimulatorSettings()
    parser = argparse.ArgumentParser(
        prog="python -m harvester.simulator",
        description="Serves a simulated YouTube Data API on 127.0.0.1 and prints its base URL.",
        epilog=f"Only the key in ${VALID_KEY_VARIABLE} is good, any key where that is not set.",
    )
    parser.add_argument("--port", type=int, default=defaults.port, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--faults", choices=LEVELS, default=defaults.faults)
    parser.add_argument("--daily-units", type=int, default=defaults.daily_units)
    parser.add_argument("--units-per-call", type=int, default=defaults.units_per_call)
    parser.add_argument("--per-minute-calls", type=int, default=None)
    parser.add_argument("--missing-share", type=float, default=defaults.missing_share)
    parser.add_argument("--latency-seconds", type=float, default=defaults.latency_seconds)
    parser.add_argument("--clock-start", type=datetime.fromisoformat, default=None)
    parser.add_argument("--clock-speed", type=float, default=defaults.clock_speed)
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the parent process")
    options = vars(parser.parse_args())
    until_stdin_closes = options.pop("until_stdin_closes")
    try:
        settings = SimulatorSettings(**options, valid_key=os.environ.get(VALID_KEY_VARIABLE))
    except ValueError as error:
        parser.error(str(error))
    try:
        serve(settings, until_stdin_closes=until_stdin_closes)
    except OSError as error:
        parser.exit(4, f"cannot serve: {error}\n")


if __name__ == "__main__":
    main()
