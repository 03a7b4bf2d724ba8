"""Work done ahead in other threads, its results in order: for calls that release Python's lock, as those of zlib do."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

DEPTH = 4
"""Hops under way or waiting to be taken, at most."""
WORKERS = min(DEPTH, os.cpu_count() or 1)


def ahead(function: Callable[[T], R], items: Iterable[T], *, at_a_hop: int = 1, depth: int = DEPTH) -> Iterator[R]:
    """`map`, some items ahead of the reader. The items are taken in the calling thread, since ledgers ask for that.

    A hop to another thread costs about as much as to unpack a body: `at_a_hop` items share one. `depth` hops are under
    way at most.
    """
    under_way: deque[Future[list[R]]] = deque()
    rest = iter(items)
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="export-ahead") as pool:
        try:
            while taken := list(islice(rest, at_a_hop)):
                if len(under_way) == depth:
                    yield from under_way.popleft().result()
                under_way.append(pool.submit(lambda some: [function(item) for item in some], taken))
            while under_way:
                yield from under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
