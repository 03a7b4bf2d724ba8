"""A crawl, set up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from children import Simulate
from crawl_setup import NOON, SPEED, CrawlSetup, SetUp, make_setup


@pytest.fixture
def set_up(tmp_path: Path, simulate: Simulate) -> SetUp:
    """Makes a crawl of so many ids: `await set_up(500, api={"daily_units": 99}, settings={"concurrency": 2})`."""

    async def make(videos: int | list[str], *, api: dict[str, Any] | None = None, **more: Any) -> CrawlSetup:
        simulator = simulate(**{"clock_start": NOON, "clock_speed": SPEED} | (api or {}))
        setup = make_setup(tmp_path / "harvest.db", simulator, videos, **more)
        await setup.load()
        return setup

    return make
