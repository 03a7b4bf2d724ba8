"""An event loop whose time is virtual: a wait takes no time, and a wait for nothing is an error."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any


class Deadlock(AssertionError):
    """Every task waits, and no timer is set."""


class Endless(AssertionError):
    """It goes round and round."""


MAX_TURNS = 60_000
"""More turns of the loop than any small crawl takes."""


class _Selector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        self._turns += 1
        if self._turns > MAX_TURNS:
            raise Endless(f"no end after {MAX_TURNS} turns of the loop")
        if timeout is None:
            raise Deadlock("every task waits, and no timer is set")
        self.seconds += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """For code without threads and sockets. `time` never goes back."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.seconds

    def close_soon(self) -> None:
        """Let what is cancelled end."""
        self._virtual._turns = 0


class VirtualClock:
    """Harvester's clock on the loop's time. It is set at the seconds of `sets`, each time to be so far ahead."""

    def __init__(self, loop: VirtualLoop, start: datetime, sets: Sequence[tuple[float, timedelta]] = ()) -> None:
        self._loop = loop
        self._start = start
        self._began = loop.time()
        self._sets = sets

    @property
    def ahead(self) -> timedelta:
        """How wrong it is."""
        return next((ahead for at, ahead in reversed(self._sets) if at <= self.monotonic()), timedelta())

    def true_now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    def now(self) -> datetime:
        return self.true_now() + self.ahead

    def monotonic(self) -> float:
        return self._loop.time() - self._began

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))  # pause: in virtual time
