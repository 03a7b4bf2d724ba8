"""A crawl by real processes on one ledger, in a file or on a server, against one simulated API."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from children import Child, Program
from waiting import wait_until

from harvester.ledger import open as ledger_open
from harvester.ledger.reader import LedgerReader
from harvester.model import VideoState
from harvester.simulator import SimulatorProcess, make_ids, truth
from harvester.support.addresses import file_of

on_both = pytest.mark.parametrize("ledger_url", ["sqlite", "postgres"], indirect=True)
"""A test whose ledger is in a file, and once more on a server."""
on_both_unmade = pytest.mark.parametrize("ledger_url", ["sqlite", "postgres, unmade"], indirect=True)
"""The same, where the test makes the ledger."""


@dataclass(frozen=True)
class ChildCrawl:
    """`harvester` prepared in its folder: configured, and loaded with the ids."""

    harvester: Program
    simulator: SimulatorProcess
    ids: list[str]
    url: str

    @property
    def calls(self) -> int:
        """What the API has seen."""
        calls: int = self.simulator.report()["calls"]
        return calls

    def start(self, *options: str) -> Child:
        return self.harvester.start("run", *options)

    def reach(self, calls: int, run: Child) -> None:
        """Wait until the API has seen so many, with the run under way."""
        wait_until(lambda: self.calls >= calls or run.process.poll() is not None)
        assert run.process.poll() is None, run.stderr

    def start_and_reach(self, more_calls: int, *options: str) -> Child:
        """A run under way: the API has seen so many calls more than before."""
        reached = self.calls + more_calls
        child = self.start(*options)
        self.reach(reached, child)
        return child

    def ok(self, *arguments: str) -> str:
        """A command, in this process, that must end well; what it printed."""
        done = self.harvester.here(*arguments)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.ok("status", "--json"))
        return status

    def reader(self) -> LedgerReader:
        """The reading side, in this process; for use as a context manager."""
        return ledger_open.open_reader(self.url)

    def age(self) -> None:
        """Everything stored so far was fetched long ago."""
        ask(self.url, "UPDATE responses SET fetched_at = '2020-01-01T00:00:00.000000Z'")

    def assert_sound(self) -> None:
        """The ledger is consistent, and what is settled is in the state that the simulated API made it for."""
        with self.reader() as reader:
            states = dict(reader.states())
            assert reader.findings() == []
        assert list(states) == self.ids
        share = self.simulator.settings.missing_share
        settled = {video_id: state.label for video_id, state in states.items() if state > VideoState.CLAIMED}
        assert settled == {video_id: truth(video_id, missing_share=share) for video_id in settled}

    def assert_finished(self) -> None:
        """The same, and every id is settled."""
        self.assert_sound()
        with self.reader() as reader:
            progress = reader.progress()
        assert progress.settled == len(self.ids)


PrepareCrawl = Callable[..., ChildCrawl]
"""The fixture `prepare_crawl`."""


def prepare(harvester: Program, simulator: SimulatorProcess, videos: int, concurrency: int, url: str) -> ChildCrawl:
    ids = list(make_ids(0, videos))
    settings = simulator.settings
    harvester.env |= {
        "HARVESTER_LEDGER__URL": url,
        "HARVESTER_QUOTA__DAILY_UNITS": str(settings.daily_units),
        "HARVESTER_QUOTA__UNITS_PER_CALL": str(settings.units_per_call),
        "HARVESTER_RUN__CONCURRENCY": str(concurrency),
        "HARVESTER_YOUTUBE__BASE_URL": simulator.base_url,
        "YOUTUBE_API_KEY": "any",
    }
    ledger_open.prepare(url)
    asyncio.run(_load(url, ids))
    return ChildCrawl(harvester, simulator, ids, url)


async def _load(url: str, ids: Sequence[str]) -> None:
    async with ledger_open.open_ledger(url) as ledger:
        await ledger.add(ids, (), 0)


def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement at the ledger, past all of harvester; its rows."""
    file = file_of(url)
    with closing(sqlite3.connect(file) if file else psycopg.connect(url)) as db, db:
        cursor = db.execute(statement)
        return cursor.fetchall() if cursor.description else []


def assert_quiet(child: Child) -> None:
    """Nothing that a person would have to be told: no traceback, no forgotten task, no warning."""
    for word in ("Traceback", "never retrieved", "never awaited", "Warning", "ignored"):
        assert word not in child.stderr, child.stderr
