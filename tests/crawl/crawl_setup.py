"""A crawl in process: the real worker, ledger and client, against a simulated API that shares its clock."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from waiting import until

from harvester.clock import Clock
from harvester.config import Config, QuotaSettings, RunSettings, YouTubeSettings
from harvester.crawl.batch_source import BatchSource
from harvester.crawl.fault_attribution import PROBE
from harvester.crawl.run_report import RunReport
from harvester.crawl.runner import Runner, open_phases
from harvester.crawl.stop import Stop
from harvester.ledger.ledger import Ledger
from harvester.ledger.process_identity import this_process
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.listing_types import ListingKind, ListingRecord, Target
from harvester.model import Outcome, Progress, Verdict, VideoState
from harvester.rehearsal import ScaledClock
from harvester.simulator import SimulatorProcess, make_ids, truth
from harvester.support.secret import Secret
from harvester.youtube.client import YouTubeClient, client_for
from harvester.youtube.endpoints import Endpoint

NOON = datetime(2026, 6, 2, 19, tzinfo=UTC)
"""Midday in California, far from both ends of a quota day."""
SPEED = 200.0
LEAP_SECONDS = 100.0
"""Longer than any pause between two calls."""
KEY = "a-key-that-is-in-no-address"


class SharedClock(ScaledClock):
    """The simulator's time. Sleeping until another day leaps there, and takes the simulator along."""

    def __init__(self, simulator: SimulatorProcess) -> None:
        super().__init__(datetime.fromisoformat(simulator.report()["now"]), simulator.settings.clock_speed)
        self._simulator = simulator

    async def sleep(self, seconds: float) -> None:
        if seconds < LEAP_SECONDS:
            await super().sleep(seconds)
        else:
            self.leap_to(self.now() + timedelta(seconds=seconds))

    def leap_to(self, instant: datetime) -> None:
        # The API first: its clock is never behind.
        self._simulator.jump_clock(instant)
        self.jump_to(instant)


class NoJitter(random.Random):
    """Every backoff is nothing, so that what is waited is what the API asked for."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


@dataclass(frozen=True)
class Sent:
    """One call as the crawl saw it, on the crawl's clock; `under_way` counts it too."""

    ids: tuple[str, ...]
    sent_on: datetime
    sent_at: float
    under_way: int
    ended_at: float
    outcome: Outcome


class Watched:
    """The real client, with its calls written down. For the `broken` ids it has no good answer."""

    def __init__(
        self,
        client: YouTubeClient,
        clock: Clock,
        calls: list[Sent],
        broken: Collection[str] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._calls = calls
        self._broken = broken
        self._retry_after = retry_after_seconds
        self._under_way = 0

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    async def time(self) -> datetime | None:
        return await self._client.time()

    async def fetch(self, ids: Sequence[str], page_token: str | None = None) -> Outcome:
        self._under_way += 1
        sent_on, sent_at, under_way = self._clock.now(), self._clock.monotonic(), self._under_way
        try:
            outcome = await self._client.fetch(ids, page_token)
            if not set(ids).isdisjoint(self._broken):
                outcome = Outcome(Verdict.TRY_AGAIN, "backendError", 503)
            if outcome.verdict is Verdict.SLOW_DOWN and self._retry_after is not None:
                outcome = replace(outcome, retry_after_seconds=self._retry_after)
        finally:
            self._under_way -= 1
        self._calls.append(Sent(tuple(ids), sent_on, sent_at, under_way, self._clock.monotonic(), outcome))
        return outcome


@dataclass
class CrawlSetup:
    """One ledger with its ids, and the API that they are asked of. `settings` are those of [run]."""

    path: Path
    simulator: SimulatorProcess
    clock: Clock
    ids: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    base_url: str = ""
    key: str = KEY
    daily_units: int | None = None
    broken: Collection[str] = ()
    retry_after_seconds: float | None = None
    """What every push-back asks for, where it is not what the simulated API says."""
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    calls: list[Sent] = field(default_factory=list)
    report: RunReport = field(default_factory=RunReport)
    started: float = 0.0
    """When the last run started, by the clock's `monotonic`."""

    async def load(self) -> None:
        prepare(self.path)
        async with Ledger(SqliteTransactionRunner(self.path)) as ledger:
            await ledger.add(self.ids, (), 0)

    async def discover(self, *names: str, again: bool = False) -> None:
        """Add these channels and playlists."""
        kinds = (ListingKind.CHANNEL if name.startswith(("@", "UC")) else ListingKind.PLAYLIST for name in names)
        async with Ledger(SqliteTransactionRunner(self.path)) as ledger:
            await ledger.add_listings(list(map(Target, kinds, names)), self.clock.now(), again=again)

    async def run(
        self, stop: Stop | None = None, batches: Callable[[Ledger], BatchSource] | None = None, **how: Any
    ) -> RunReport:
        """One run to its end; `report` keeps what it did even where it raised."""
        self.started = self.clock.monotonic()
        run = RunSettings(**{"concurrency": 4, "timeout_seconds": 20} | self.settings)
        api = self.simulator.settings
        quota = QuotaSettings(daily_units=self.daily_units or api.daily_units, units_per_call=api.units_per_call)
        youtube = YouTubeSettings(base_url=self.base_url or self.simulator.base_url)
        config = Config(youtube=youtube, quota=quota, run=run)

        def watched(endpoint: Endpoint) -> Watched:
            client = client_for(endpoint, youtube, run, Secret(self.key), self.clock, proxies=False)
            return Watched(client, self.clock, self.calls, self.broken, self.retry_after_seconds)

        async with (
            Ledger(SqliteTransactionRunner(self.path)) as ledger,
            open_phases(ledger, config, watched, batches=batches and batches(ledger)) as phases,
        ):
            worker = Runner(ledger, phases, self.clock, run=run, process=this_process(), stop=stop, rng=self.rng)
            self.report = worker.report
            await worker.run(**how)
            return worker.report

    # --- what became of it

    @property
    def progress(self) -> Progress:
        with SqliteReader(self.path) as reader:
            return reader.progress()

    @property
    def listings(self) -> dict[str, ListingRecord]:
        with SqliteReader(self.path) as reader:
            return {listing.target: listing for listing in reader.listings()}

    @property
    def states(self) -> dict[str, str]:
        with SqliteReader(self.path) as reader:
            return {video_id: state.label for video_id, state in reader.states()}

    @property
    def findings(self) -> list[str]:
        with SqliteReader(self.path) as reader:
            return reader.findings()

    @property
    def units(self) -> int:
        """What the ledger holds to be spent, over all days."""
        return sum(day.units for day in self.progress.days)

    @property
    def answered_late(self) -> int:
        """The calls of the last run that the client gave up though the API answered them: the machine was too busy."""
        return max(0, self.report.wasted["timeout"] - self.simulator.report()["faulted"].get("hang", 0))

    def untrue(self) -> dict[str, str]:
        """The ids whose state is another than the simulated API made them for."""
        api = self.simulator.settings
        return {
            video_id: state
            for video_id, state in self.states.items()
            if state != truth(video_id, api.seed, api.faults, api.missing_share)
        }

    def count_of(self, state: str) -> int:
        return self.progress.videos[VideoState[state.upper()]]


SetUp = Callable[..., Awaitable[CrawlSetup]]
"""The fixture `set_up`."""


def assert_all_true(setup: CrawlSetup) -> None:
    """Every id is in its true state, and the ledger is consistent, in itself and with the API's counts."""
    assert setup.untrue() == {}
    assert setup.findings == []
    report = setup.simulator.report()
    assert report["in_flight"] == 0
    # A probe asks once more for what has been answered, and so does the call after an answer that came too late.
    assert report["ids"]["delivered_more"] <= setup.report.wasted[PROBE] + 50 * setup.answered_late
    assert report["keys_in_urls"] == 0


def assert_handed_back(setup: CrawlSetup) -> None:
    """Every id is pending again, and the ledger is consistent."""
    assert set(setup.states.values()) == {"pending"}
    assert setup.findings == []


async def stopped_after(setup: CrawlSetup, calls: int, stop: Stop) -> None:
    """Ask for a stop once the API has seen so many calls."""
    await until(lambda: setup.simulator.report()["calls"] >= calls)
    stop.ask()


def make_setup(path: Path, simulator: SimulatorProcess, videos: int | Iterable[str], **more: Any) -> CrawlSetup:
    ids = tuple(make_ids(simulator.settings.seed, videos) if isinstance(videos, int) else videos)
    return CrawlSetup(path, simulator, SharedClock(simulator), ids, **more)
