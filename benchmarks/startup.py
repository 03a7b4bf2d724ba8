"""What a command takes to begin: `python -m benchmarks startup`.

CPU time of whole processes in turn: `harvester --help` beside Python that imports click, and `harvester status` on the
ledger of the course's list beside Python that imports click and SQLAlchemy, which is what the two cannot do without.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.figures import Figure, ratios
from benchmarks.ledgers import CACHE
from benchmarks.measure import run_process
from benchmarks.playlog import SONGS
from harvester.ledger.sqlite.migrate import REVISION
from harvester.simulator import make_ids

HARVESTER = Path(sys.executable).with_name("harvester")
# Every start but the first finds its modules compiled, unless the surroundings forbid to keep them.
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": ""}


STARTS = 5
"""A start is short: so many a round."""


def measure(rounds: int) -> list[Figure]:
    """Each command in turn, after one turn that does not count."""
    harvester = [HARVESTER, "--config", loaded_ledger() / "config.toml"]
    commands = {
        "import click": [sys.executable, "-c", "import click"],
        "--help": [HARVESTER, "--help"],
        "import click, sqlalchemy": [sys.executable, "-c", "import click, sqlalchemy"],
        "status": [*harvester, "status"],
        "status --json": [*harvester, "status", "--json"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(STARTS * rounds + 1):
        for name, argv in commands.items():
            measured = run_process(argv, env=ENVIRONMENT)
            if number:
                seconds[name].append(measured.cpu_seconds)
    click, sqlalchemy = seconds["import click"], seconds["import click, sqlalchemy"]
    return [
        Figure("--help, of `import click`", ratios(seconds["--help"], click), must=2.0, aim=1.3),
        Figure("status, of `import click, sqlalchemy`", ratios(seconds["status"], sqlalchemy), must=1.25, aim=1.1),
        Figure("status --json, of the same", ratios(seconds["status --json"], sqlalchemy)),
        *(Figure(name, [1000 * each for each in values], "ms") for name, values in seconds.items()),
    ]


def loaded_ledger() -> Path:
    """A folder with a config.toml and the ledger of 631,348 ids; made once and kept in CACHE."""
    folder = CACHE / f"loaded-{SONGS}-{REVISION}"
    if not folder.exists():
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        config, ids = draft / "config.toml", draft / "ids.txt"
        config.write_text('[ledger]\nurl = "sqlite:///harvest.db"\n', encoding="utf-8")
        ids.write_text("\n".join(make_ids(1, SONGS)), encoding="ascii")
        run_process([HARVESTER, "--config", config, "load", ids])
        ids.unlink()
        draft.rename(folder)
    return folder
