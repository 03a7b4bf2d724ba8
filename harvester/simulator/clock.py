"""The simulator's own clock, which can run faster than real time and jump ahead."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class SimulatedClock:
    """A clock: start + elapsed × speed + jumps. It never goes backward.

    `monotonic` returns real seconds; tests replace it.
    """

    def __init__(
        self,
        start: datetime | None = None,
        speed: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = start.astimezone(UTC) if start is not None else datetime.now(UTC)
        self._speed = speed
        self._monotonic = monotonic
        self._since = monotonic()

    def now(self) -> datetime:
        """The simulated instant, in UTC."""
        return self._base + timedelta(seconds=(self._monotonic() - self._since) * self._speed)

    def jump_to(self, instant: datetime) -> None:
        """Move ahead to `instant`. Raises ValueError if that is in the past or has no time zone."""
        if instant.tzinfo is None:
            raise ValueError("the instant needs a time zone")
        # its own time, independent of clocks derived from it
        if instant < (now := SimulatedClock.now(self)):
            raise ValueError(f"the clock never goes backward: it is {now.isoformat()} already")
        self._base, self._since = instant.astimezone(UTC), self._monotonic()
