"""One export to a folder of Parquet parts: `python -m benchmarks.children.dask_export LEDGER DEST PART_BYTES [DASK]`.

Prints the seconds from its beginning to its end: the cluster's start and end, and the manifest, included; importing is
left out.
"""

from __future__ import annotations

import sys
import time

import pyarrow.parquet  # noqa: F401

import harvester.export  # noqa: F401
from harvester.app import Harvester
from harvester.config import isolated_config
from harvester.support.gc_tuning import tune_gc


def main(ledger: str, dest: str, part_bytes: str, dask: str | None = None) -> None:
    export = {"uri": dest, "format": "parquet", "max_part_bytes": int(part_bytes)}
    harvester = Harvester(isolated_config({"ledger": {"url": f"sqlite:///{ledger}"}, "export": export}))
    tune_gc()  # as the command does
    began = time.perf_counter()
    harvester.export(dask=dask)
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
