"""How often Python looks for garbage in a process that makes hardly any: cycles of objects that hold each other."""

from __future__ import annotations

import gc
from functools import cache


@cache
def tune_gc() -> None:
    """What is there by now stays, and crawls and exports make few cycles: to look again and again brings nothing."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
