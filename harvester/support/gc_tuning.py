"""Tuning of the garbage collector for processes that create few reference cycles."""

from __future__ import annotations

import gc
from functools import cache


@cache
def tune_gc() -> None:
    """Freeze the objects that exist and collect less often: crawls and exports create few cycles."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
