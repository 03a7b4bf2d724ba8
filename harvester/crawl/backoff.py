"""How long to wait after a failed attempt. Pure: random numbers are an argument.

How often a batch is tried: `fault_attribution.py`. Retry-After is read and capped in `youtube/classify.py`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter (Brooker, "Exponential Backoff and Jitter", 2015)."""

    base_seconds: float = 1.0
    cap_seconds: float = 60.0

    def delay(self, attempt: int, rng: random.Random, retry_after_seconds: float | None = None) -> float:
        """Seconds to wait after the `attempt`-th failure (from 1), never less than `retry_after_seconds`."""
        jittered = rng.uniform(0, min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 30)))
        return max(jittered, retry_after_seconds or 0.0)
