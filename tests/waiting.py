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


def wait_until(condition: Callable[[], object], timeout: float = LIMIT_SECONDS) -> None:
    """Poll until it holds; AssertionError where that takes too long."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout:.0f} s"
        time.sleep(POLL_SECONDS)


async def until(condition: Callable[[], object], timeout: float = LIMIT_SECONDS) -> None:
    """The same in a coroutine; the condition may be a coroutine function."""
    end = time.monotonic() + timeout
    while True:
        holds = condition()
        if await holds if inspect.isawaitable(holds) else holds:
            return
        assert time.monotonic() < end, f"not within {timeout:.0f} s"
        await asyncio.sleep(POLL_SECONDS)
