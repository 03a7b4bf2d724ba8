"""`harvester load` of the course's play log beside the course's own line: `python -m benchmarks load`.

Ours is the whole command: from the start of Python to a new ledger that is on disk. Theirs is
`pd.read_csv(path)["song"].unique().tolist()` in a process of its own, which writes nothing; `seconds` is its whole
process too, `inner_seconds` that line alone, without the import of pandas. The two take turns.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, ratios
from benchmarks.ledgers import CACHE
from benchmarks.measure import Measured, run_process

MIB = 1 << 20

THEIRS = """
import sys, time
import pandas as pd
began = time.perf_counter()
songs = pd.read_csv(sys.argv[1])["song"].unique().tolist()
seconds = time.perf_counter() - began
if len(sys.argv) > 2:
    open(sys.argv[2], "w").write("\\n".join(songs))
print(seconds)
"""


@dataclass(frozen=True, slots=True)
class Round:
    """One of each, one after the other."""

    ours: Measured
    theirs: Measured

    @property
    def inner_seconds(self) -> float:
        return float(self.theirs.stdout)


def play_log() -> Path:
    """The file, made once and kept outside the checkout."""
    CACHE.mkdir(exist_ok=True)
    path = CACHE / "playlog.csv"
    if not path.exists():
        run_process([sys.executable, "-m", "benchmarks.playlog", path])
    return path


def measure(rounds: int) -> list[Figure]:
    """The lines of the table, with what they must be."""
    return _figures(_rounds(rounds))


def _rounds(rounds: int) -> list[Round]:
    """One after the other. Raises AssertionError where the ledger does not hold the songs in first-seen order."""
    path = play_log()
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        # it brings the file into the system's cache, too
        run_process([sys.executable, "-c", THEIRS, path, folder / "songs.txt"])
        songs = (folder / "songs.txt").read_text(encoding="ascii").split("\n")
        return [_round(path, folder / str(number), songs) for number in range(rounds)]


def _round(path: Path, folder: Path, songs: Sequence[str]) -> Round:
    folder.mkdir()
    (folder / "config.toml").write_text("", encoding="ascii")
    command = [sys.executable, "-m", "harvester", "--config", folder / "config.toml", "-q", "load", path]
    ours = run_process(command, env={"HARVESTER_LEDGER__URL": f"sqlite:///{folder / 'harvest.db'}"})
    with closing(sqlite3.connect(folder / "harvest.db")) as ledger:
        loaded = [row[0] for row in ledger.execute("SELECT video_id FROM videos ORDER BY position")]
    assert loaded == songs, "the ledger holds the songs in first-seen order"
    return Round(ours, run_process([sys.executable, "-c", THEIRS, path]))


def _figures(rounds: Sequence[Round]) -> list[Figure]:
    ours = [each.ours.seconds for each in rounds]
    theirs = [each.inner_seconds for each in rounds]
    return [
        Figure("load of the play log, against the course's line", ratios(ours, theirs), must=1.5, aim=1.0),
        Figure("load, peak memory", [each.ours.peak_bytes / 1e6 for each in rounds], "MB", must=500, aim=400),
        Figure("load", ours, "s"),
        Figure("load, CPU", [each.ours.cpu_seconds for each in rounds], "s"),
        Figure("the course's line", theirs, "s"),
        Figure("its whole process", [each.theirs.seconds for each in rounds], "s"),
        Figure("its whole process, CPU", [each.theirs.cpu_seconds for each in rounds], "s"),
        Figure("its peak memory", [each.theirs.peak_bytes / 1e6 for each in rounds], "MB"),
    ]
