"""What the workers of a local cluster have in memory when they begin: imported once, where they are all forked from."""

from __future__ import annotations

import dask

# What fails on a worker is said by the exporting process.
dask.config.set({"logging": {"distributed": "critical"}})

import distributed.nanny  # noqa: E402, F401
import pandas  # noqa: E402, F401 (pyarrow imports it, for its first array)
import sqlalchemy  # noqa: E402, F401 (the ledger is read by it)

import harvester.export.dask.part_maker  # noqa: E402
import harvester.export.formats.parquet  # noqa: E402, F401
from harvester.support.gc_tuning import tune_gc  # noqa: E402

tune_gc()
