"""Work done ahead in other threads, with results in order: for calls that release the GIL, such as zlib's."""

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
"""Most calls under way or waiting to be taken."""
WORKERS = min(DEPTH, os.cpu_count() or 1)


def ahead(function: Callable[[T], R], items: Iterable[T], *, at_a_hop: int = 1, depth: int = DEPTH) -> Iterator[R]:
    """`map`, some items ahead of the reader. Items are taken in the calling thread, as ledgers require.

    A switch of threads costs about as much as decompressing a body, so `at_a_hop` items share one. At most `depth`
    switches are under way.
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
