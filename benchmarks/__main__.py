"""`make bench`: the figures that harvester is held to. Prints a table, and ends with 1 where a must is missed.

Every figure is a ratio against something that is measured in the same run, in turn with it, or a size: machines differ,
and the same machine differs from hour to hour. What is in each section stands in its module.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Figure, as_json, table

SECTIONS = ("run", "load", "startup", "size", "rehearse", "export", "export_sqlite", "folder")
"""Modules, each with a `measure(rounds)`."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; by default all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="keep the figures here")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(unknown)}")
    figures: list[Figure] = []
    for name in arguments.sections or SECTIONS:
        print(f"measuring {name} …", flush=True)
        figures += importlib.import_module(f"benchmarks.{name}").measure(arguments.rounds)
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "rounds": arguments.rounds,
    }
    print(table(figures))
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps({**about, "figures": as_json(figures)}, indent=2))
    return 0 if all(figure.held for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
