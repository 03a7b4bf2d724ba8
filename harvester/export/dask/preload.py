"""Modules that the workers of a local cluster inherit: imported once, in the server from which they are forked."""

from __future__ import annotations

import dask

# The exporting process reports the failures of workers.
dask.config.set({"logging": {"distributed": "critical"}})

import distributed.nanny  # noqa: E402, F401
import pandas  # noqa: E402, F401 (pyarrow imports it, for its first array)
import sqlalchemy  # noqa: E402, F401 (the ledger is read by it)

import harvester.export.dask.part_maker  # noqa: E402
import harvester.export.formats.parquet  # noqa: E402, F401
from harvester.support.gc_tuning import tune_gc  # noqa: E402

tune_gc()
