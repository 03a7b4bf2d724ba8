"""Waiting for what another process, thread or task does: for a condition, never for a fixed time.

How long that takes is the machine's business. The limit is there for what hangs, and fails the test with a sentence.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable

LIMIT_SECONDS = 300.0
"""For whatever is waited for. pytest's own limit for a test (pyproject.toml) is twice that."""
POLL_SECONDS = 0.005
MOST_POLL_SECONDS = 0.02
"""Between two looks, in the end: a question to another process costs both some time."""


def wait_until(condition: Callable[[], object], timeout: float = LIMIT_SECONDS) -> None:
    """Poll until it holds; AssertionError where that takes too long."""
    end, pause = time.monotonic() + timeout, POLL_SECONDS
    while not condition():
        assert time.monotonic() < end, f"not within {timeout:.0f} s"
        time.sleep(pause)
        pause = min(pause * 1.5, MOST_POLL_SECONDS)


async def until(condition: Callable[[], object], timeout: float = LIMIT_SECONDS) -> None:
    """The same in a coroutine; the condition may be a coroutine function."""
    end, pause = time.monotonic() + timeout, POLL_SECONDS
    while True:
        holds = condition()
        if await holds if inspect.isawaitable(holds) else holds:
            return
        assert time.monotonic() < end, f"not within {timeout:.0f} s"
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, MOST_POLL_SECONDS)
