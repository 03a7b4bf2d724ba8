"""A run from its entry in the ledger to its end: the crawl, the lease beside it, the stop signals."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from harvester import quota
from harvester.clock import Clock
from harvester.config import QuotaSettings, RunSettings
from harvester.crawl.batch_source import BatchSource, PendingIds
from harvester.crawl.crawler import Crawler
from harvester.crawl.run_report import Ending, RunReport, Stop
from harvester.errors import HarvesterError
from harvester.ledger.protocol import Ledger
from harvester.model import ProcessIdentity, VideoState
from harvester.youtube import Api

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
"""How long a run on another host must have been silent before its claims are taken back."""
RENEW_SECONDS = 60.0
RESET_MARGIN = timedelta(minutes=5)
"""How long after our midnight to begin the new day: the API's clock may be a little behind."""


class Runner:
    """One run over one ledger and one API. Use it once."""

    def __init__(
        self,
        ledger: Ledger,
        api: Api,
        clock: Clock,
        *,
        run: RunSettings,
        quota: QuotaSettings,
        process: ProcessIdentity,
        stop: Stop | None = None,
        rng: random.Random | None = None,
        report: RunReport | None = None,
        parts: str | None = None,
    ) -> None:
        """`parts` is what its calls ask for, which the ledger notes. `report` is written as the run goes, so that it
        tells what was done even where the run raises."""
        self.report = report or RunReport()
        self._ledger = ledger
        self._api = api
        self._clock = clock
        self._run = run
        self._quota = quota
        self._process = process
        self._stop = stop or Stop()
        self._chance = rng or random.Random()
        self._parts = parts

    async def run(
        self,
        *,
        until_done: bool = False,
        max_calls: int | None = None,
        work: BatchSource | None = None,
    ) -> RunReport:
        """Crawl. Returns what was done; raises CredentialsError, ApiUnavailable or a ledger's error.

        `work` is what to ask for, by default every id that is pending. However the run ends, no id stays claimed by it.
        """
        now = self._clock.now()
        run_id = await self._ledger.open_run(self._process, now, now + LEASE)
        reason = "interrupted"
        work = work or PendingIds(self._ledger)
        crawl = Crawler(
            self._ledger,
            self._api,
            self._clock,
            work,
            run_id=run_id,
            run=self._run,
            quota=self._quota,
            report=self.report,
            rng=self._chance,
            max_calls=max_calls,
            parts=self._parts,
        )
        try:
            self.report.recovered = await self._recover()
            days = self._days(crawl, work, until_done)
            self.report.ending = await self._beside(days, self._keep_lease(run_id), self._watch_stop(crawl))
            # For this run there was nothing left.
            reason = Ending.NOTHING_LEFT if self.report.ending is Ending.HELD else self.report.ending.value
        except HarvesterError as error:
            reason = type(error).__name__
            raise
        finally:
            # Shielded: a run that is cancelled must not leave its claims behind.
            await asyncio.shield(self._ledger.close_run(run_id, crawl.clock.now(), reason))
        return self.report

    async def _is_held_by_others(self, work: BatchSource) -> bool:
        """Whether ids are left that another run has claimed, or has just let go."""
        if type(work) is not PendingIds:
            return False  # not all that is pending was asked for
        videos = (await self._ledger.progress()).videos
        return bool(videos[VideoState.CLAIMED] or videos[VideoState.PENDING])

    async def _days(self, crawl: Crawler, work: BatchSource, until_done: bool) -> Ending:
        # Before the first call is booked: on a clock that is wrong, as many as may be under way had the wrong day.
        await crawl.clock.ask()
        while True:
            ending = await crawl.go()
            if ending is Ending.NOTHING_LEFT and (taken := await self._recover()):
                # Another run of this ledger died meanwhile: what it held is left to do.
                self.report.recovered += taken
                continue
            if ending is Ending.NOTHING_LEFT and await self._is_held_by_others(work):
                return Ending.HELD
            if ending not in (Ending.BUDGET_SPENT, Ending.DAY_CLOSED):
                return ending
            if await crawl.clock.is_another_day(crawl.denied_day):
                continue  # midnight has passed, or a clock was wrong
            if not until_done:
                return ending
            resets_at = quota.resets_at(crawl.clock.now())
            log.info("%s: sleeping until the quota is reset, %s UTC", ending, f"{resets_at:%Y-%m-%d %H:%M}")
            await crawl.sleep_until_reset(RESET_MARGIN)

    async def _beside(self, *coroutines: Coroutine[Any, Any, Ending]) -> Ending:
        """The result of the first to end; the others are cancelled."""
        tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(task for task in tasks if task in done).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_lease(self, run_id: int) -> Ending:
        while True:
            await self._clock.sleep(RENEW_SECONDS)
            await self._ledger.renew_lease(run_id, self._clock.now() + LEASE)
            self.report.recovered += await self._recover()
            report = self.report
            log.debug("%d calls: %d fetched, %d missing", report.calls, report.fetched, report.missing)

    async def _recover(self) -> int:
        return await self._ledger.recover(self._process, self._clock.now())

    async def _watch_stop(self, crawl: Crawler) -> Ending:
        """The first stop drains; the second ends the run here and now."""
        await self._stop.draining.wait()
        log.info("stopping: waiting for the calls under way; told again, it stops at once")
        await crawl.close()
        await self._stop.at_once.wait()
        self._ledger.hurry()
        return Ending.STOPPED
