"""Where calls wait their turn: at most as many under way as the pacer allows, and none while it holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from harvester.clock import Clock
from harvester.crawl.concurrency import ConcurrencyController

MAX_SLEEP_SECONDS = 1800.0


class Limiter:
    """Every wait of the crawl happens here, and ends early when `closing` is set."""

    def __init__(self, pacer: ConcurrencyController, clock: Clock, closing: asyncio.Event) -> None:
        self._pacer = pacer
        self._clock = clock
        self._closing = closing
        self._in_flight = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def passage(self) -> AsyncIterator[None]:
        """Hold one of the places. Whoever comes through must look at `closing` before sending."""
        while (wait := await self._enter()) > 0:
            await self.pause(wait)
        try:
            yield
        finally:
            self._in_flight -= 1
            await self.wake()

    async def _enter(self) -> float:
        """Take a place, or tell how long the pacer holds: nobody waits in a place that the limit may lose."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._closing.is_set() or self._in_flight < self._pacer.limit)
            wait = self._pacer.held_until - self._clock.monotonic()
            if wait > 0 and not self._closing.is_set():
                return wait
            self._in_flight += 1
            return 0.0

    async def pause(self, seconds: float, until: asyncio.Event | None = None) -> None:
        """Sleep, unless the gate closes first, or `until` is set."""
        if self._closing.is_set() or seconds <= 0:
            return
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._clock.sleep(seconds))]
        waits += [asyncio.ensure_future(event.wait()) for event in (self._closing, until) if event is not None]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def pause_while(self, seconds: Callable[[], Awaitable[float]]) -> None:
        """Sleep until that is nothing any more, or the gate closes.

        It is asked again every half hour: a machine that was suspended, or whose clock was set, looks at the time anew.
        """
        while not self._closing.is_set() and (left := await seconds()) > 0:
            await self.pause(min(MAX_SLEEP_SECONDS, left))

    async def wake(self) -> None:
        """Look again: a place came free, the limit grew, or the gate closed."""
        async with self._changed:
            self._changed.notify_all()
