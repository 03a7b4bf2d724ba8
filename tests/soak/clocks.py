"""A machine's clock that somebody sets, ahead and back."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from harvester.rehearsal import ScaledClock

RUN_SECONDS = 600.0
"""Simulated: about as long as a day's run takes."""


class SetClock(ScaledClock):
    """The simulated time, and how wrong this machine tells it. What counts seconds is never set."""

    def __init__(self, start: datetime, speed: float, rng: random.Random) -> None:
        super().__init__(start, speed)
        self._start = start
        self._rng = rng
        self._sets = [(0.0, timedelta())]
        self.times_set = 0

    def true_now(self) -> datetime:
        return super().now()

    def now(self) -> datetime:
        seconds = self.monotonic()
        return self.true_now() + next(ahead for at, ahead in reversed(self._sets) if at <= seconds)

    def monotonic(self) -> float:
        return (self.true_now() - self._start).total_seconds()

    def set_at_random(self) -> None:
        """Now, and up to three times while the next run is under way."""
        later = sorted(self._rng.uniform(0, RUN_SECONDS) for _ in range(self._rng.randint(0, 3)))
        self._sets = [(self.monotonic() + seconds, self._error()) for seconds in (0.0, *later)]
        self.times_set += len(self._sets)

    def _error(self) -> timedelta:
        """None, minutes, hours, or days."""
        longest = self._rng.choice([timedelta(), timedelta(hours=1), timedelta(days=1), timedelta(days=30)])
        return self._rng.uniform(-1, 1) * longest
