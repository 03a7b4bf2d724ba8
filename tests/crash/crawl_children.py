"""A crawl by real processes on one ledger, against one simulated API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from children import Child, Program, wait_until

from harvester.ledger.books import SqliteBooks
from harvester.ledger.sqlite import SqliteLedger
from harvester.ledger.upgrade import prepare as prepare_ledger
from harvester.simulator import SimulatorProcess, make_ids, truth

CONFIG = """\
[quota]
daily_units = {daily_units}
units_per_call = {units_per_call}

[run]
concurrency = {concurrency}
"""


@dataclass(frozen=True)
class ChildCrawl:
    """`harvester` prepared in its folder: configured, and loaded with the ids."""

    harvester: Program
    simulator: SimulatorProcess
    ids: list[str]

    @property
    def ledger(self) -> Path:
        return self.harvester.folder / "harvest.db"

    @property
    def calls(self) -> int:
        """What the API has seen."""
        calls: int = self.simulator.report()["calls"]
        return calls

    def start(self, *options: str) -> Child:
        return self.harvester.start("run", *options)

    def start_and_reach(self, more_calls: int, *options: str) -> Child:
        """A run under way: the API has seen so many calls more than before."""
        reached = self.calls + more_calls
        child = self.start(*options)
        wait_until(lambda: self.calls >= reached or child.process.poll() is not None)
        assert child.process.poll() is None, child.stderr
        return child

    def ok(self, *arguments: str) -> str:
        """A command, in this process, that must end well; what it printed."""
        done = self.harvester.here(*arguments)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.ok("status", "--json"))
        return status

    def assert_sound(self) -> None:
        """The books balance, proved in this process."""
        with SqliteBooks(self.ledger) as books:
            assert books.findings() == []

    def assert_finished(self) -> None:
        """The books balance, and every id is in the state that the simulated API made it for."""
        with SqliteBooks(self.ledger) as books:
            states = {video_id: state.label for video_id, state in books.states()}
        assert list(states) == self.ids
        assert {video_id: state for video_id, state in states.items() if state != truth(video_id)} == {}
        self.assert_sound()


PrepareCrawl = Callable[..., ChildCrawl]
"""The fixture `prepare_crawl`."""


def prepare(harvester: Program, simulator: SimulatorProcess, videos: int, concurrency: int) -> ChildCrawl:
    ids = list(make_ids(0, videos))
    settings = simulator.settings
    config = CONFIG.format(
        daily_units=settings.daily_units, units_per_call=settings.units_per_call, concurrency=concurrency
    )
    (harvester.folder / "config.toml").write_text(config, encoding="utf-8")
    harvester.env |= {"HARVESTER_YOUTUBE__BASE_URL": simulator.base_url, "YOUTUBE_API_KEY": "any"}
    crawl = ChildCrawl(harvester, simulator, ids)
    asyncio.run(_load(crawl.ledger, ids))
    return crawl


async def _load(path: Path, ids: Sequence[str]) -> None:
    prepare_ledger(path)
    async with SqliteLedger(path) as ledger:
        await ledger.add(ids, (), 0)


def assert_quiet(child: Child) -> None:
    """Nothing that a person would have to be told: no traceback, no forgotten task, no warning."""
    for word in ("Traceback", "never retrieved", "never awaited", "Warning", "ignored"):
        assert word not in child.stderr, child.stderr
