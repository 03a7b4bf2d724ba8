"""A background thread for blocking work that releases the GIL."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The result of one item, or the `error` to raise where it is awaited."""

    result: T | None = None
    error: BaseException | None = None


class BatchingThread(Generic[S, T]):
    """Runs the work of one event loop's tasks in a thread, all waiting items at once: a switch of threads costs as much
    as a small item.

    `work` returns a Done for each item. If it raises for several, it is called again for each alone; what it raises for
    one is raised where that is awaited.
    """

    def __init__(self, name: str, work: Callable[[Sequence[S]], Sequence[Done[T]]], max_at_once: int) -> None:
        self._work = work
        self._max_at_once = max_at_once
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: deque[tuple[S, asyncio.Future[T]]] = deque()
        self._at_work = False
        self._lock = threading.Lock()

    async def __call__(self, item: S) -> T:
        """Return the item's result. Cancelling the caller does not stop the work."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[T] = loop.create_future()
        with self._lock:
            self._waiting.append((item, waiting))
            begin, self._at_work = not self._at_work, True
        if begin:
            try:
                self._thread.submit(self._until_nothing_waits, loop)
            except RuntimeError:  # the thread has ended: do not wait for it
                with self._lock:
                    self._waiting.clear()
                    self._at_work = False
                raise
        return await waiting

    def in_thread(self, function: Callable[[], U]) -> U:
        """Run a function in the thread, and wait for its result."""
        return self._thread.submit(function).result()

    async def close(self, function: Callable[[], object] = lambda: None) -> None:
        """Wait for all items, run `function` in the thread, and end it."""
        await asyncio.get_running_loop().run_in_executor(self._thread, function)
        self._thread.shutdown()

    # --- in the thread

    def _until_nothing_waits(self, loop: asyncio.AbstractEventLoop) -> None:
        while taken := self._take():
            items, waiting = zip(*taken, strict=True)
            try:
                done = self._work(items)
                if len(done) != len(items):
                    raise RuntimeError(f"{len(done)} results for {len(items)} items")
            except BaseException as error:  # noqa: BLE001 (it is raised where the item is awaited)
                done = [Done(error=error)] if len(items) == 1 else list(map(self._alone, items))
            with suppress(RuntimeError):  # the event loop is closed
                loop.call_soon_threadsafe(_deliver, waiting, done)

    def _alone(self, item: S) -> Done[T]:
        try:
            return self._work((item,))[0]
        except BaseException as error:  # noqa: BLE001 (as above)
            return Done(error=error)

    def _take(self) -> list[tuple[S, asyncio.Future[T]]]:
        with self._lock:
            number = min(self._max_at_once, len(self._waiting))
            taken = [self._waiting.popleft() for _ in range(number)]
            self._at_work = bool(taken)
            return taken


def _deliver(waiting: Sequence[asyncio.Future[T]], done: Sequence[Done[T]]) -> None:
    for future, one in zip(waiting, done, strict=True):
        if future.done():
            continue  # cancelled meanwhile
        if one.error is not None:
            future.set_exception(one.error)
        else:
            future.set_result(one.result)  # type: ignore[arg-type]
