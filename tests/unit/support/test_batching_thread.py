"""The batching thread: what waits is done together, and each caller gets its own result, error or cancellation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from waiting import LIMIT_SECONDS, until

from harvester.support.batching_thread import BatchingThread, Done


class Work:
    """Doubles numbers once `go` is set; a negative number is an error of its own, zero one of its batch."""

    def __init__(self) -> None:
        self.batches: list[Sequence[int]] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, items: Sequence[int]) -> list[Done[int]]:
        self.batches.append(items)
        assert self.go.wait(LIMIT_SECONDS)
        if 0 in items:
            raise ZeroDivisionError
        return [Done(error=ValueError(item)) if item < 0 else Done(2 * item) for item in items]


@asynccontextmanager
async def working(work: Work, max_at_once: int = 3) -> AsyncIterator[BatchingThread[int, int]]:
    thread = BatchingThread("test", work, max_at_once)
    try:
        yield thread
    finally:
        work.go.set()
        await thread.close()


async def begun(work: Work, thread: BatchingThread[int, int]) -> asyncio.Task[int]:
    """The thread is held within its first batch, of the number 1."""
    work.go.clear()
    first = asyncio.create_task(thread(1))
    await until(lambda: work.batches)
    return first


async def test_what_waits_is_done_together_in_order_and_at_most_so_many_at_once() -> None:
    work = Work()
    async with working(work) as thread:
        first = await begun(work, thread)
        rest = [asyncio.create_task(thread(number)) for number in range(2, 9)]
        await asyncio.sleep(0)
        work.go.set()
        assert await asyncio.gather(first, *rest) == [2, 4, 6, 8, 10, 12, 14, 16]
    assert work.batches == [(1,), (2, 3, 4), (5, 6, 7), (8,)]


async def test_an_item_s_error_is_raised_where_it_is_awaited_and_nowhere_else() -> None:
    work = Work()
    async with working(work) as thread:
        first = await begun(work, thread)
        rest = [asyncio.create_task(thread(number)) for number in (2, -3, 4)]
        await asyncio.sleep(0)
        work.go.set()
        done = await asyncio.gather(first, *rest, return_exceptions=True)
        assert [repr(one) for one in done] == ["2", "4", "ValueError(-3)", "8"]


async def test_where_the_work_raises_each_item_is_done_by_itself_and_the_thread_goes_on() -> None:
    work = Work()
    async with working(work) as thread:
        first = await begun(work, thread)
        rest = [asyncio.create_task(thread(number)) for number in (2, 0, 3)]
        await asyncio.sleep(0)
        work.go.set()
        assert await first == 2
        done = await asyncio.gather(*rest, return_exceptions=True)
        assert [repr(one) for one in done] == ["4", "ZeroDivisionError()", "6"]
        assert await thread(4) == 8
    assert work.batches == [(1,), (2, 0, 3), (2,), (0,), (3,), (4,)]


async def test_results_that_are_too_few_are_an_error_and_nobody_waits_for_ever() -> None:
    thread: BatchingThread[int, int] = BatchingThread("test", lambda _: [], 3)
    with pytest.raises(RuntimeError, match="0 results for 1 items"):
        await thread(1)
    await thread.close()


@pytest.mark.parametrize("moment", ["waiting", "under way"])
async def test_a_cancelled_caller_stops_nothing(moment: str) -> None:
    work = Work()
    async with working(work) as thread:
        first = await begun(work, thread)
        second, third = (asyncio.create_task(thread(number)) for number in (2, 3))
        await asyncio.sleep(0)
        (first if moment == "under way" else second).cancel()
        await asyncio.sleep(0)
        work.go.set()
        done = await asyncio.gather(first, second, third, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in done] == [
            moment == "under way",
            moment == "waiting",
            False,
        ]
        assert done[2] == 6
    assert work.batches == [(1,), (2, 3)]


async def test_close_waits_for_what_was_asked_for_and_ends_the_thread_after_its_function() -> None:
    work = Work()
    thread = BatchingThread("test-close", work, 3)
    first = await begun(work, thread)
    second = asyncio.create_task(thread(2))
    await asyncio.sleep(0)
    seen: list[object] = []
    closing = asyncio.create_task(thread.close(lambda: seen.append(list(work.batches))))
    await asyncio.sleep(0)
    work.go.set()
    await closing
    assert (await first, await second, seen) == (2, 4, [[(1,), (2,)]])
    await until(lambda: not any(each.name.startswith("test-close") for each in threading.enumerate()))


async def test_whoever_asks_after_close_gets_an_error_each_time() -> None:
    thread = BatchingThread("test", Work(), 3)
    await thread.close()
    for _ in range(3):
        with pytest.raises(RuntimeError, match="shutdown"):
            await asyncio.wait_for(thread(1), LIMIT_SECONDS)


async def test_an_error_of_close_s_function_is_raised() -> None:
    thread = BatchingThread("test", Work(), 3)
    with pytest.raises(ZeroDivisionError):
        await thread.close(lambda: 1 / 0)
    await thread.close()


def test_a_loop_that_ended_meanwhile_is_no_error_and_the_next_one_is_served() -> None:
    work = Work()
    thread = BatchingThread("test", work, 3)

    async def leave() -> None:
        first = await begun(work, thread)
        first.cancel()

    asyncio.run(leave())
    work.go.set()
    thread.in_thread(lambda: None)  # it serves one loop at a time: what the first had asked for is over

    async def again() -> int:
        result = await thread(5)
        await thread.close()
        return result

    assert asyncio.run(again()) == 10
