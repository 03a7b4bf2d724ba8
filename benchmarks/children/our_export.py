"""One export by harvester: `python -m benchmarks.children.our_export LEDGER DEST FORMAT COMPRESSION`.

Prints the seconds from its beginning to its end, manifest included; importing is left out, as it is for the course's
way, which uses S3.
"""

from __future__ import annotations

import sys
import time

import harvester.export  # noqa: F401
from harvester.app import Harvester
from harvester.config import isolated_config
from harvester.support.gc_tuning import tune_gc


def main(ledger: str, dest: str, name: str, compression: str) -> None:
    if dest.startswith("s3://"):
        import boto3  # noqa: F401 (imported beforehand, as the course does)
    export = {"uri": dest, "format": name, "compression": compression}
    harvester = Harvester(isolated_config({"ledger": {"url": f"sqlite:///{ledger}"}, "export": export}))
    tune_gc()  # as the command does
    began = time.perf_counter()
    harvester.export()
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
