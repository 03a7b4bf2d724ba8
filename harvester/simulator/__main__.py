"""`python -m harvester.simulator`: serve the simulated API until told to stop."""

import argparse
import os
from dataclasses import fields
from datetime import datetime
from typing import Any

from .process import VALID_KEY_VARIABLE
from .server import serve
from .settings import SimulatorSettings

_KINDS: dict[str, Any] = {"per_minute_calls": int, "clock_start": datetime.fromisoformat}


def main() -> None:
    """Read the command line, an option for each setting but the key, and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m harvester.simulator",
        description="Serves a simulated YouTube Data API on 127.0.0.1 and prints its base URL.",
        epilog=f"Only the key in ${VALID_KEY_VARIABLE} is good, any key where that is not set.",
    )
    for field in fields(SimulatorSettings):
        if field.name != "valid_key":
            kind = _KINDS.get(field.name, type(field.default))
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the parent process")
    options = vars(parser.parse_args())
    until_stdin_closes = options.pop("until_stdin_closes")
    try:
        serve(
            SimulatorSettings(**options, valid_key=os.environ.get(VALID_KEY_VARIABLE)),
            until_stdin_closes=until_stdin_closes,
        )
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        parser.exit(4, f"cannot serve: {error}\n")


if __name__ == "__main__":
    main()
