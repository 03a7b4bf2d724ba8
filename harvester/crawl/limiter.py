"""The concurrency limiter: as many calls under way as the controller allows, and none while it pauses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from harvester.clock import Clock
from harvester.crawl.concurrency_controller import ConcurrencyController

MAX_SLEEP_SECONDS = 1800.0


class Limiter:
    """Limits the calls under way. Every wait of the crawl happens here, and ends early when `closing` is set."""

    def __init__(self, controller: ConcurrencyController, clock: Clock, closing: asyncio.Event) -> None:
        self._controller = controller
        self._clock = clock
        self._closing = closing
        self._in_flight = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one of the slots. Once `closing` is set, all get one: check it before sending."""
        while (wait := await self._enter()) > 0:
            await self.pause(wait)
        try:
            yield
        finally:
            self._in_flight -= 1
            await self.wake()

    async def _enter(self) -> float:
        """Take a slot and return 0, or return for how many seconds the controller pauses all calls.

        Nothing waits inside a slot, since the limit may shrink meanwhile.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._closing.is_set() or self._in_flight < self._controller.limit)
            wait = self._controller.paused_until - self._clock.monotonic()
            if wait > 0 and not self._closing.is_set():
                return wait
            self._in_flight += 1
            return 0.0

    async def pause(self, seconds: float, until: asyncio.Event | None = None) -> None:
        """Sleep until `seconds` are over, the limiter closes, or `until` is set."""
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
        """Sleep until `seconds` returns 0, or the limiter closes.

        `seconds` is called again every half hour, since the machine may be suspended or its clock set.
        """
        while not self._closing.is_set() and (left := await seconds()) > 0:
            await self.pause(min(MAX_SLEEP_SECONDS, left))

    async def wake(self) -> None:
        """Wake the tasks that wait for a slot: one became free, the limit grew, or the limiter closed."""
        async with self._changed:
            self._changed.notify_all()
