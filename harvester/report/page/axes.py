"""The ticks of a chart's axis. Pure."""

from __future__ import annotations

import math

MAX_TICKS = 7


def ticks(highest: float) -> list[int]:
    """From 0 in steps of 1, 2 or 5 times a power of ten; the last one is the first above `highest`."""
    step, factors = 1, (2, 2.5, 2)
    number = 0
    while math.floor(highest / step) + 2 > MAX_TICKS:
        step = int(step * factors[number % 3])
        number += 1
    return [step * place for place in range(math.floor(highest / step) + 2)]
