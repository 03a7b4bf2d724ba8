"""The limiter on virtual time: how many are let in, holds, closing, cancellation and errors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from virtual_time import VirtualClock, VirtualLoop

from harvester.crawl.concurrency_controller import ConcurrencyController
from harvester.crawl.limiter import MAX_SLEEP_SECONDS, Limiter


class Setting:
    """A limiter with at most `most` slots, its controller and its clock."""

    def __init__(self, loop: VirtualLoop, most: int) -> None:
        self.clock = VirtualClock(loop, datetime(2026, 6, 2, 19, tzinfo=UTC))
        self.controller = ConcurrencyController(most, random.Random(0), self.clock.monotonic())
        self.closing = asyncio.Event()
        self.limiter = Limiter(self.controller, self.clock, self.closing)
        self.inside = self.most_inside = self.entered = 0

    async def call(self, seconds: float = 1.0, error: Exception | None = None) -> float:
        """Hold a slot for so long; when it was got."""
        async with self.limiter.slot():
            at = self.clock.monotonic()
            self.entered += 1
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
            try:
                await self.clock.sleep(seconds)
                if error is not None:
                    raise error
            finally:
                self.inside -= 1
        return at

    async def close(self) -> None:
        self.closing.set()
        await self.limiter.wake()


def play(test: Callable[[Setting], Awaitable[Any]], most: int = 2) -> Any:
    """The test's result, on a loop whose time is virtual: a task that waits for ever is an error."""
    loop = VirtualLoop()

    async def main() -> Any:
        return await test(Setting(loop, most))

    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def test_no_more_are_let_in_than_the_limit_and_none_is_forgotten() -> None:
    async def test(setting: Setting) -> None:
        began = await asyncio.gather(*(setting.call() for _ in range(7)))
        assert sorted(began) == [0, 0, 1, 1, 2, 2, 3]
        assert setting.most_inside == 2

    play(test)


def test_a_hold_delays_all_and_one_that_grows_delays_them_further() -> None:
    async def test(setting: Setting) -> None:
        setting.controller.pause_until(10.0)
        calls = [asyncio.create_task(setting.call()) for _ in range(2)]
        await setting.clock.sleep(5)
        setting.controller.pause_until(30.0)
        assert await asyncio.gather(*calls) == [30.0, 30.0]

    play(test)


def test_a_limit_that_shrinks_meanwhile_holds_for_those_that_wait() -> None:
    async def test(setting: Setting) -> None:
        calls = [asyncio.create_task(setting.call()) for _ in range(6)]
        await asyncio.sleep(0)
        setting.controller.probe(setting.clock.monotonic(), 0.0)
        assert [await call for call in calls] == [0, 0, 0, 0, 1, 2]

    play(test, most=4)


def test_a_limit_that_grows_lets_more_in_when_it_is_told() -> None:
    async def test(setting: Setting) -> None:
        setting.controller.probe(0.0, 0.0)
        calls = [asyncio.create_task(setting.call(100)) for _ in range(2)]
        await setting.clock.sleep(5)
        assert setting.entered == 1
        setting.controller.good(setting.clock.monotonic(), setting.clock.monotonic())
        await setting.limiter.wake()
        assert await asyncio.gather(*calls) == [0.0, 5.0]

    play(test)


def test_closing_ends_every_wait() -> None:
    async def test(setting: Setting) -> None:
        setting.controller.pause_until(1e6)
        held = [asyncio.create_task(setting.call(0)) for _ in range(5)]
        asleep = asyncio.create_task(setting.limiter.pause(1e6))

        async def left() -> float:
            return 1e6

        until_reset = asyncio.create_task(setting.limiter.pause_while(left))
        await setting.clock.sleep(3)
        await setting.close()
        await asyncio.gather(*held, asleep, until_reset)
        assert setting.clock.monotonic() == 3
        await setting.limiter.pause(1e6)
        await setting.limiter.pause_while(left)
        assert setting.clock.monotonic() == 3

    play(test)


@pytest.mark.parametrize("seconds", [0.0, 0.5], ids=["at once", "under way"])
def test_a_cancelled_call_gives_its_slot_back(seconds: float) -> None:
    async def test(setting: Setting) -> None:
        calls = [asyncio.create_task(setting.call(10)) for _ in range(2)]
        waiting = asyncio.create_task(setting.call(0))
        await setting.clock.sleep(seconds)
        calls[0].cancel()
        assert await waiting == seconds
        assert await calls[1] == 0
        assert calls[0].cancelled()

    play(test)


@pytest.mark.parametrize("hold_seconds", [0.0, 100.0], ids=["waits for a slot", "waits for a hold"])
def test_a_cancelled_waiter_takes_no_slot_with_it(hold_seconds: float) -> None:
    async def test(setting: Setting) -> None:
        setting.controller.pause_until(hold_seconds)
        calls = [asyncio.create_task(setting.call()) for _ in range(6)]
        await asyncio.sleep(0)
        for waiting in calls[2:5]:
            waiting.cancel()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert sorted(at for at in done if isinstance(at, float)) == [hold_seconds, hold_seconds, hold_seconds + 1]
        assert await setting.call() == hold_seconds + 2

    play(test)


def test_an_error_inside_gives_the_slot_back_and_is_raised() -> None:
    async def test(setting: Setting) -> None:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await setting.call(1, ZeroDivisionError())
        assert await setting.call() == 3

    play(test, most=1)


def test_an_error_of_what_is_asked_ends_the_wait() -> None:
    async def test(setting: Setting) -> None:
        async def left() -> float:
            raise ConnectionError

        with pytest.raises(ConnectionError):
            await setting.limiter.pause_while(left)

    play(test)


def test_a_long_sleep_looks_at_the_time_every_half_hour() -> None:
    async def test(setting: Setting) -> None:
        asked: list[float] = []

        async def left() -> float:
            asked.append(setting.clock.monotonic())
            return 4000.0 - setting.clock.monotonic()

        await setting.limiter.pause_while(left)
        assert asked == [0, MAX_SLEEP_SECONDS, 2 * MAX_SLEEP_SECONDS, 4000]

    play(test)


def test_an_event_ends_a_pause_and_a_cancelled_pause_leaves_nothing_behind() -> None:
    async def test(setting: Setting) -> None:
        good = asyncio.Event()
        pause = asyncio.create_task(setting.limiter.pause(60, good))
        await setting.clock.sleep(2)
        good.set()
        await pause
        assert setting.clock.monotonic() == 2
        cut = asyncio.create_task(setting.limiter.pause(60, asyncio.Event()))
        await asyncio.sleep(0)
        cut.cancel()
        await asyncio.gather(cut, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    play(test)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_cancelled_or_fails_the_slots_come_back(seed: int) -> None:
    async def test(setting: Setting) -> None:
        rng = random.Random(seed)
        calls = [
            asyncio.create_task(setting.call(rng.uniform(0, 3), rng.choice([None, None, ValueError()])))
            for _ in range(60)
        ]
        while not all(call.done() for call in calls):
            await setting.clock.sleep(rng.uniform(0, 1))
            rng.choice(calls).cancel()
            if rng.random() < 0.3:
                now = setting.clock.monotonic()
                setting.controller.pushed_back(now, now, 1, rng.choice([None, 5.0]))
            setting.controller.good(setting.clock.monotonic())
            await setting.limiter.wake()
        await asyncio.gather(*calls, return_exceptions=True)
        assert (setting.inside, setting.most_inside <= 4) == (0, True)
        before = setting.entered
        await asyncio.gather(*(setting.call(0) for _ in range(4)))
        assert setting.entered == before + 4

    play(test, most=4)
