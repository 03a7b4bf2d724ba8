"""Export and verify, next to the course's way and to bare loops: `python -m benchmarks export`.

All of them read the ledger of a finished crawl. json is sent to an S3 that only reads, tables go to local files.
Against the course's way the publication alone is timed: neither importing nor, for the course's way, making its list.
Against bare loops it is the CPU time of whole processes; against DuckDB, which uses all processors, their wall time.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from benchmarks.figures import Figure, ratios
from benchmarks.ledgers import finished_ledger
from benchmarks.measure import Measured, run_process
from benchmarks.sink import Sink

CALLS = 12_627
MB = 1e6


Rounds: TypeAlias = dict[str, list[Measured]]


def measure(rounds: int) -> list[Figure]:
    """The figures of the table, in order."""
    ledger = finished_ledger(CALLS)
    found: Rounds = {}
    with tempfile.TemporaryDirectory() as folder:
        commands = _commands(ledger, Path(folder))
        for _ in range(rounds):
            with Sink() as sink:  # in each round, nothing stands there yet
                for name, (module, *arguments) in commands.items():
                    found.setdefault(name, []).append(_run(module, arguments, sink))
    return [*_against_others(found), *_alone(found)]


def _commands(ledger: Path, folder: Path) -> dict[str, tuple[str | Path, ...]]:
    """By the name of what is measured: a module, and its arguments. The lines come before DuckDB, which reads them."""
    ours = {
        "json": ("s3://bucket/songs.json", "json", "none"),
        "gzip": ("s3://bucket/songs.json.gz", "json", "gzip"),
        "zstd": ("s3://bucket/songs.json.zst", "json", "zstd"),
        "jsonl": (folder / "ours.jsonl", "jsonl", "none"),
        "parquet": (folder / "ours.parquet", "parquet", "none"),
        "csv": (folder / "ours.csv", "csv", "none"),
    }
    return {
        "course": ("course_export", ledger, "bucket", "course.json"),
        **{name: ("our_export", ledger, *arguments) for name, arguments in ours.items()},
        "bare parquet": ("bare_parquet", ledger, folder / "bare.parquet"),
        "duckdb": ("duckdb_csv", folder / "ours.jsonl", folder / "duckdb.csv"),
        "verify": ("our_verify", ledger),
        "gunzip": ("gunzip", ledger),
        "gunzip and sha256": ("gunzip", ledger, "sha256"),
    }


def _against_others(found: Rounds) -> list[Figure]:
    cpu = {name: [each.cpu_seconds for each in measured] for name, measured in found.items()}
    wall = {name: [each.seconds for each in measured] for name, measured in found.items()}
    reported = _reported(found)
    faster = {name: ratios(reported["course"], reported[name]) for name in ("json", "gzip")}
    parquet = ratios(cpu["parquet"], cpu["bare parquet"])
    return [
        Figure("export json: times as fast as the course's way", faster["json"], must=8, least=True),
        Figure("export json.gz: times as fast as the course's way", faster["gzip"], must=40, least=True),
        Figure("export parquet: CPU time against a bare loop of Arrow", parquet, must=1.4, aim=1.1),
        Figure("export jsonl: CPU time against gunzip alone", ratios(cpu["jsonl"], cpu["gunzip"]), must=2.5, aim=1.6),
        Figure(
            "export csv: time against DuckDB's COPY of the lines",
            ratios(wall["csv"], wall["duckdb"]),
            must=1.2,
            aim=0.8,
        ),
        Figure(
            "verify: CPU time against gunzip and sha256",
            ratios(cpu["verify"], cpu["gunzip and sha256"]),
            must=2.0,
            aim=1.3,
        ),
    ]


def _alone(found: Rounds) -> list[Figure]:
    peaks = {name: [each.peak_bytes / MB for each in measured] for name, measured in found.items()}
    limits = {"json": 150, "gzip": 150, "jsonl": 150, "csv": 150, "parquet": 400}
    return [
        *(Figure(f"export {name}: peak memory", peaks[name], "MB", must=must) for name, must in limits.items()),
        *(Figure(f"export {name}", seconds, "s") for name, seconds in _reported(found).items()),
        *(
            Figure(f"{name}: CPU time", [each.cpu_seconds for each in found[name]], "s")
            for name in ("parquet", "bare parquet", "jsonl", "gunzip", "csv", "duckdb", "verify", "gunzip and sha256")
        ),
        Figure("the course's way: peak memory", peaks["course"], "MB"),
    ]


def _reported(found: Rounds) -> dict[str, list[float]]:
    """Seconds of the publication alone, where the process tells them."""
    return {name: [float(each.stdout) for each in measured] for name, measured in found.items() if measured[0].stdout}


def _run(module: str, arguments: Sequence[str | Path], sink: Sink) -> Measured:
    return run_process([sys.executable, "-m", f"benchmarks.children.{module}", *arguments], env=sink.env)
