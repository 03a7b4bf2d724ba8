"""A run from its entry in the ledger to its end: the phases of its crawl, its lease and requests to stop."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import date, timedelta

from harvester import quota_calendar
from harvester.clock import Clock
from harvester.config import Config, RunSettings
from harvester.crawl.api_clock import ApiClock
from harvester.crawl.batch_source import BatchSource, Listings, PendingIds, Phase
from harvester.crawl.crawler import PRECEDENCE, Crawler
from harvester.crawl.run_log import RunLog
from harvester.crawl.run_report import Ending, RunReport
from harvester.crawl.stop import Stop
from harvester.errors import ApiUnavailable, ConfigError, CredentialsError, HarvesterError
from harvester.ledger.ledger import Ledger
from harvester.listing_types import ListingState
from harvester.model import ProcessIdentity, VideoState
from harvester.youtube import Api
from harvester.youtube.endpoints import CHANNELS_LIST, PLAYLIST_ITEMS_LIST, VIDEOS_LIST, Endpoint, budget_of

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
"""How long after its last renewal a run on another host keeps its claims."""
RENEW_SECONDS = 60.0
RESET_MARGIN = timedelta(minutes=5)
"""How long after this clock's midnight to begin the new day: the API's clock may be a little behind."""


@asynccontextmanager
async def open_phases(
    ledger: Ledger,
    config: Config,
    client_of: Callable[[Endpoint], AbstractAsyncContextManager[Api]],
    endpoint: Endpoint = VIDEOS_LIST,
    batches: BatchSource | None = None,
) -> AsyncIterator[Sequence[Phase]]:
    """The phases of a run, with their clients open: `batches` of `endpoint`, or without `batches` all that is pending,
    listings first."""
    before = (CHANNELS_LIST, PLAYLIST_ITEMS_LIST) if batches is None and await ledger.has_listings() else ()
    batches = batches or PendingIds(ledger)
    phases: list[Phase] = []
    async with AsyncExitStack() as opened:
        for each in (*before, endpoint):
            client = await opened.enter_async_context(client_of(each))
            source = batches if each is endpoint else Listings(ledger, channels=each is CHANNELS_LIST)
            budget = budget_of(each, each.quota(config.quota), each.asked(config.youtube))
            phases.append(Phase(each, client, source, budget))
        yield phases


class Phases:
    """Crawls the phases in order, each by a crawler of its own until its workers are denied a batch."""

    def __init__(self, crawlers: Sequence[Crawler]) -> None:
        self._crawlers = crawlers
        self._current: Crawler | None = None
        self._closing = False

    async def go(self) -> Ending:
        """Go through all phases. Raises the error that ended one; that of a listing phase, after the ids."""
        endings: list[Ending] = []
        failed: HarvesterError | None = None
        last = self._crawlers[-1]
        for crawler in self._crawlers:
            if failed is not None and crawler is not last:
                continue
            if crawler is not self._current:
                crawler.begin_anew()
                self._current = crawler
            try:
                endings.append(await crawler.go())
            except (ApiUnavailable, ConfigError) as error:
                if isinstance(error, CredentialsError) or crawler is last:
                    raise
                log.warning("%s failed, so listings wait and ids are fetched: %s", crawler.endpoint.name, error)
                failed = error
            if self._closing or Ending.MAX_CALLS in endings:
                break
        if failed is not None:
            raise failed
        return max(endings, key=PRECEDENCE.index)

    @property
    def denied_day(self) -> date | None:
        """The last day that had no units for a call."""
        return max((crawler.denied_day for crawler in self._crawlers if crawler.denied_day), default=None)

    async def close(self) -> None:
        """Send nothing more. `go` returns when the calls under way have finished."""
        self._closing = True
        for crawler in self._crawlers:
            await crawler.close()

    async def sleep_until_reset(self, margin: timedelta) -> None:
        """Wait for another quota day than today, or for `close`; then reset each phase."""
        assert self._current is not None, "a phase was denied its units"
        await self._current.sleep_until_reset(margin)
        for crawler in self._crawlers:
            crawler.begin_anew()


class Runner:
    """One run over one ledger and one API. An instance runs once."""

    def __init__(
        self,
        ledger: Ledger,
        phases: Sequence[Phase],
        clock: Clock,
        *,
        run: RunSettings,
        process: ProcessIdentity,
        stop: Stop | None = None,
        rng: random.Random | None = None,
        report: RunReport | None = None,
    ) -> None:
        """`phases` are crawled in order; the last asks for what the run is for. `report` is updated during the run, so
        that its counts are right even where the run raises."""
        self.report = report or RunReport()
        self._ledger = ledger
        self._phases = phases
        self._clock = clock
        self._run = run
        self._process = process
        self._stop = stop or Stop()
        self._rng = rng or random.Random()

    async def run(self, *, until_done: bool = False, max_calls: int | None = None) -> None:
        """Crawl all phases. `report` has the counts.

        However the run ends, none of its claims stays. Raises CredentialsError, ApiUnavailable or a ledger's error.
        """
        now = self._clock.now()
        run_id = await self._ledger.open_run(self._process, now, now + LEASE)
        reason = "interrupted"
        run_log = RunLog(log, run_id)
        last_call = None if max_calls is None else self.report.calls + max_calls
        clock = ApiClock(self._clock, self._phases[-1].api.time)
        crawlers = [
            Crawler(
                self._ledger,
                phase,
                clock,
                run_id=run_id,
                run=self._run,
                report=self.report,
                rng=self._rng,
                max_calls=last_call,
            )
            for phase in self._phases
        ]
        phases = Phases(crawlers)
        try:
            self.report.recovered = await self._recover()
            self.report.ending = await _first_to_end(
                asyncio.create_task(self._crawl_days(phases, clock, run_log, until_done=until_done)),
                asyncio.create_task(self._keep_lease(run_id, run_log)),
                asyncio.create_task(self._watch_stop(phases, run_log)),
            )
            # For this run there was nothing left.
            reason = Ending.NOTHING_LEFT if self.report.ending is Ending.CLAIMED_BY_OTHERS else self.report.ending.value
        except HarvesterError as error:
            reason = type(error).__name__
            raise
        finally:
            # Shielded: a run that is cancelled must not leave its claims behind.
            await asyncio.shield(self._ledger.close_run(run_id, clock.now(), reason))

    async def _is_claimed_by_others(self) -> bool:
        """Whether another run has claimed ids or listings, or has just released ids."""
        if type(self._phases[-1].batches) is not PendingIds:
            return False  # not all that is pending was asked for
        videos = (await self._ledger.progress()).videos
        left = videos[VideoState.CLAIMED] or videos[VideoState.PENDING]
        return bool(left) or await self._ledger.has_listings(ListingState.CLAIMED)

    async def _crawl_days(self, phases: Phases, clock: ApiClock, run_log: RunLog, *, until_done: bool) -> Ending:
        # Before the first claim: with a wrong clock, all calls under way would have the wrong day.
        await clock.ask()
        while True:
            ending = await phases.go()
            if ending is Ending.NOTHING_LEFT and (taken := await self._recover()):
                # Another run of this ledger has died: its ids are pending again.
                self.report.recovered += taken
                continue
            if ending is Ending.NOTHING_LEFT and await self._is_claimed_by_others():
                return Ending.CLAIMED_BY_OTHERS
            if ending not in (Ending.BUDGET_SPENT, Ending.DAY_CLOSED):
                return ending
            if await clock.is_another_day(phases.denied_day):
                continue  # midnight has passed, or a clock was wrong
            if not until_done:
                return ending
            resets_at = quota_calendar.resets_at(clock.now())
            message = "%s: sleeping until the quota is reset, %s UTC"
            run_log.run(logging.INFO, message, ending, f"{resets_at:%Y-%m-%d %H:%M}", reason=ending.value)
            if self.report.on_day_over is not None:
                self.report.on_day_over(ending)
            await phases.sleep_until_reset(RESET_MARGIN)

    async def _keep_lease(self, run_id: int, run_log: RunLog) -> Ending:
        while True:
            await self._clock.sleep(RENEW_SECONDS)
            await self._ledger.renew_lease(run_id, self._clock.now() + LEASE)
            self.report.recovered += await self._recover()
            report = self.report
            counts = report.calls, report.fetched, report.missing
            run_log.run(logging.DEBUG, "%d calls: %d fetched, %d missing", *counts)

    async def _recover(self) -> int:
        return await self._ledger.recover(self._process, self._clock.now())

    async def _watch_stop(self, phases: Phases, run_log: RunLog) -> Ending:
        """Drain the run at the first request to stop; end the run at once at the second."""
        await self._stop.draining.wait()
        run_log.run(logging.INFO, "stopping: waiting for the calls under way; a second signal stops it at once")
        await phases.close()
        await self._stop.at_once.wait()
        self._ledger.stop_waiting()
        return Ending.STOPPED


async def _first_to_end(*tasks: asyncio.Task[Ending]) -> Ending:
    """The result of the first task that ends; the others are cancelled."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
