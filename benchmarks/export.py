"""Export, beside the course's way and a bare loop: `python -m benchmarks export`.

All of them read the ledger of a finished crawl and send to an S3 that only reads (Parquet goes to a local file, as the
bare loop's does). What is timed is the publication: neither importing nor, for the course's way, making its list.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure, ratios
from benchmarks.ledgers import finished_ledger
from benchmarks.measure import Measured, run_process
from benchmarks.sink import Sink

CALLS = 12_627
MB = 1e6


def measure(rounds: int) -> list[Figure]:
    """The figures of the table, in order."""
    ledger = finished_ledger(CALLS)
    seconds: dict[str, list[float]] = {}
    peaks: dict[str, list[float]] = {}
    with Sink() as sink, tempfile.TemporaryDirectory() as folder:
        tables = Path(folder)
        commands = {
            "course": ("course_export", ledger, "bucket", "songs.json"),
            "json": ("our_export", ledger, "s3://bucket/songs.json", "json", "none"),
            "gzip": ("our_export", ledger, "s3://bucket/songs.json.gz", "json", "gzip"),
            "zstd": ("our_export", ledger, "s3://bucket/songs.json.zst", "json", "zstd"),
            "jsonl": ("our_export", ledger, "s3://bucket/songs.jsonl", "jsonl", "none"),
            "parquet": ("our_export", ledger, tables / "ours.parquet", "parquet", "none"),
            "bare": ("bare_parquet", ledger, tables / "bare.parquet"),
        }
        for _ in range(rounds):
            for name, (module, *arguments) in commands.items():
                measured = _run(module, arguments, sink)
                seconds.setdefault(name, []).append(float(measured.stdout))
                peaks.setdefault(name, []).append(measured.peak_bytes / MB)
    faster = {name: ratios(seconds["course"], seconds[name]) for name in ("json", "gzip")}
    return [
        Figure("export json: times as fast as the course's way", faster["json"], must=8, least=True),
        Figure("export json.gz: times as fast as the course's way", faster["gzip"], must=40, least=True),
        Figure("export json: peak memory", peaks["json"], "MB", must=150),
        Figure("export json.gz: peak memory", peaks["gzip"], "MB", must=150),
        Figure("export parquet: time against a bare loop", ratios(seconds["parquet"], seconds["bare"]), must=1.5),
        *(Figure(f"export {name}", seconds[name], "s") for name in commands if name not in ("course", "bare")),
        Figure("the course's way to JSON", seconds["course"], "s"),
        Figure("the course's way: peak memory", peaks["course"], "MB"),
        Figure("a bare loop to Parquet", seconds["bare"], "s"),
        Figure("export jsonl: peak memory", peaks["jsonl"], "MB"),
        Figure("export parquet: peak memory", peaks["parquet"], "MB"),
    ]


def _run(module: str, arguments: Sequence[str | Path], sink: Sink) -> Measured:
    return run_process([sys.executable, "-m", f"benchmarks.children.{module}", *arguments], env=sink.env)
