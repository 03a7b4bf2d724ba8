"""Work done ahead in other threads, its results in order: for what lets go of Python's lock, as zlib and zstd do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 2
DEPTH = 4
"""Items under way or waiting to be taken, at most."""


def ahead(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`map`, a few items ahead of the reader. The items are taken in the calling thread, since ledgers ask for that."""
    under_way: deque[Future[R]] = deque()
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="export-ahead") as pool:
        try:
            for item in items:
                if len(under_way) == DEPTH:
                    yield under_way.popleft().result()
                under_way.append(pool.submit(function, item))
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
