"""The proof of a ledger: `python -m benchmarks.children.our_verify LEDGER`."""

from __future__ import annotations

import sys

from harvester.app import Harvester
from harvester.config import isolated_config
from harvester.support.gc_tuning import tune_gc


def main(ledger: str) -> None:
    tune_gc()  # as the command does
    Harvester(isolated_config({"ledger": {"url": f"sqlite:///{ledger}"}})).verify()


if __name__ == "__main__":
    main(*sys.argv[1:])
