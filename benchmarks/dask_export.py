"""Export to a folder of Parquet parts, on Dask beside one process: `python -m benchmarks.dask_export [ROUNDS]`.

Not part of `make bench`: it needs as many idle processors as the cluster has workers, which are those of this machine.
The parts of both must be the same, byte for byte.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.export import CALLS
from benchmarks.figures import Figure, ratios, table
from benchmarks.ledgers import finished_ledger
from benchmarks.measure import run_process

PART_BYTES = 10_000_000


def measure(rounds: int) -> list[Figure]:
    ledger = finished_ledger(CALLS)
    seconds: dict[str, list[float]] = {"alone": [], "together": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, dask in (("alone", []), ("together", ["local"])):
                line = [sys.executable, "-m", "benchmarks.children.dask_export", ledger, Path(folder) / name]
                measured = run_process([*line, str(PART_BYTES), *dask])
                seconds[name].append(float(measured.stdout))
                print(name, seconds[name][-1], flush=True)
            alone, together = (_parts(Path(folder) / name) for name in seconds)
            assert alone == together
    return [
        Figure(
            "export parquet on --dask local: times as fast",
            ratios(seconds["alone"], seconds["together"]),
            must=1.6,
            least=True,
        ),
        Figure("export parquet, one process", seconds["alone"], "s"),
        Figure("export parquet on --dask local", seconds["together"], "s"),
    ]


def _parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


if __name__ == "__main__":
    print(table(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 3)))
