"""A crawl by real processes, prepared."""

from __future__ import annotations

from typing import Any

import pytest
from children import Program, Simulate
from crawl_children import ChildCrawl, PrepareCrawl, prepare


@pytest.fixture
def prepare_crawl(harvester: Program, simulate: Simulate) -> PrepareCrawl:
    """`prepare_crawl(10_000, concurrency=8, daily_units=990)`: the last are settings of the API, and of both."""

    def make(videos: int, *, concurrency: int = 10, latency_seconds: float = 0.05, **api: Any) -> ChildCrawl:
        simulator = simulate(latency_seconds=latency_seconds, **api)
        return prepare(harvester, simulator, videos, concurrency)

    return make
