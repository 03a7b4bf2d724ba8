"""A server of the tests' own, and crawls by real processes that share a ledger in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from children import Child, Program, Simulate, wait_until
from postgres_server import PostgresServer

from harvester.ledger.postgres.books import PostgresBooks
from harvester.ledger.postgres.ledger import PostgresLedger
from harvester.model import VideoState
from harvester.simulator import SimulatorProcess, make_ids, truth


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    started = PostgresServer()
    yield started
    started.remove()


@pytest.fixture
def url(server: PostgresServer) -> str:
    """A ledger, prepared and empty."""
    return server.new_database()


@dataclass(frozen=True)
class SharedCrawl:
    harvester: Program
    simulator: SimulatorProcess
    ids: list[str]
    url: str

    @property
    def calls(self) -> int:
        """What the API has seen."""
        calls: int = self.simulator.report()["calls"]
        return calls

    def start(self) -> Child:
        return self.harvester.start("run")

    def reach(self, calls: int, run: Child) -> None:
        wait_until(lambda: self.calls >= calls or run.process.poll() is not None)
        assert run.process.poll() is None, run.stderr

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.harvester.run("status", "--json").stdout)
        return status

    def assert_sound(self) -> None:
        """The books balance, and what is settled is in the state that the simulated API made it for."""
        with PostgresBooks(self.url) as books:
            states = dict(books.states())
            assert books.findings() == []
        assert list(states) == self.ids
        settled = {video_id: state.label for video_id, state in states.items() if state != VideoState.PENDING}
        assert {video_id: state for video_id, state in settled.items() if state != truth(video_id)} == {}


PrepareShared = Callable[..., SharedCrawl]


@pytest.fixture
def prepare_shared(url: str, harvester: Program, simulate: Simulate) -> PrepareShared:
    def make(videos: int, *, concurrency: int, latency_seconds: float, daily_units: int = 1_000_000) -> SharedCrawl:
        simulator = simulate(latency_seconds=latency_seconds, daily_units=daily_units)
        ids = list(make_ids(0, videos))
        harvester.env |= {
            "HARVESTER_LEDGER__URL": url,
            "HARVESTER_QUOTA__DAILY_UNITS": str(daily_units),
            "HARVESTER_RUN__CONCURRENCY": str(concurrency),
            "HARVESTER_YOUTUBE__BASE_URL": simulator.base_url,
            "YOUTUBE_API_KEY": "any",
        }
        asyncio.run(load(url, ids))
        return SharedCrawl(harvester, simulator, ids, url)

    return make


async def load(url: str, ids: list[str]) -> None:
    async with PostgresLedger(url) as ledger:
        await ledger.add(ids, (), 0)
