"""`python -m harvester.simulator [SETTINGS]`: serve the simulated API until told to stop.

SETTINGS is JSON, from `SimulatorProcess`, whose end closes standard input; without it, all have their defaults.
"""

import json
import os
import sys
from datetime import datetime

from .process import VALID_KEY_VARIABLE
from .server import serve
from .settings import SimulatorSettings


def main() -> None:
    """Serve by the settings of the command line, and the key of the environment."""
    given = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    if start := given.get("clock_start"):
        given["clock_start"] = datetime.fromisoformat(start)
    try:
        settings = SimulatorSettings(**given, valid_key=os.environ.get(VALID_KEY_VARIABLE))
        serve(settings, until_stdin_closes=bool(given))
    except OSError as error:
        sys.exit(f"cannot serve: {error}")


if __name__ == "__main__":
    main()
