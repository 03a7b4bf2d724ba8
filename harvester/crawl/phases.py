"""The phases of a run, one endpoint each: channels, pages of playlists, then ids."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from harvester.config import QuotaSettings
from harvester.crawl.batch_source import BatchSource, Listings
from harvester.crawl.crawler import PRECEDENCE, Crawler
from harvester.crawl.run_report import Ending
from harvester.errors import ApiUnavailable, ConfigError, CredentialsError, HarvesterError
from harvester.ledger.ledger import Ledger
from harvester.model import Budget
from harvester.youtube import Api
from harvester.youtube.endpoints import CHANNELS_LIST, PLAYLIST_ITEMS_LIST, Endpoint, budget_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Phase:
    """Calls of one endpoint: who makes them, where their batches come from, and what they may spend a day."""

    endpoint: Endpoint
    api: Api
    batches: BatchSource
    budget: Budget


@asynccontextmanager
async def listing_phases(
    ledger: Ledger, client_of: Callable[[Endpoint], AbstractAsyncContextManager[Api]], quota: QuotaSettings
) -> AsyncIterator[Sequence[Phase]]:
    """The phases that read listings, with their clients; none where no listing is to be read."""
    phases: list[Phase] = []
    async with AsyncExitStack() as opened:
        for endpoint in (CHANNELS_LIST, PLAYLIST_ITEMS_LIST) if await ledger.has_listings() else ():
            batches = Listings(ledger, channels=endpoint is CHANNELS_LIST)
            budget = budget_of(endpoint, endpoint.quota(quota), endpoint.parts)
            phases.append(Phase(endpoint, await opened.enter_async_context(client_of(endpoint)), batches, budget))
        yield phases


class Phases:
    """Crawls the phases in order, each until its workers are denied a batch."""

    def __init__(self, phases: Sequence[Phase], crawler_of: Callable[[Phase], Crawler]) -> None:
        """`crawler_of` is called when a phase begins, since a crawler counts the API's silence from then on."""
        self._phases = phases
        self._crawler_of = crawler_of
        self._crawlers: dict[str, Crawler] = {}
        self._current: Crawler | None = None
        self._closing = False

    async def go(self) -> Ending:
        """Go through all phases. Raises the error that ended one; that of a listing phase, after the ids."""
        endings: list[Ending] = []
        failed: HarvesterError | None = None
        for phase in self._phases:
            if failed is not None and phase is not self._phases[-1]:
                continue
            try:
                endings.append(await self._crawl(phase))
            except (ApiUnavailable, ConfigError) as error:
                if isinstance(error, CredentialsError) or phase is self._phases[-1]:
                    raise
                log.warning("%s failed, so listings wait and ids are fetched: %s", phase.endpoint.name, error)
                failed = error
            if self._closing or Ending.MAX_CALLS in endings:
                break
        if failed is not None:
            raise failed
        return max(endings, key=PRECEDENCE.index)

    async def _crawl(self, phase: Phase) -> Ending:
        name = phase.endpoint.name
        if (crawler := self._crawlers.get(name)) is None:
            crawler = self._crawlers[name] = self._crawler_of(phase)
            if self._closing:
                await crawler.close()
        elif crawler is not self._current:
            crawler.begin_anew()
        self._current = crawler
        return await crawler.go()

    @property
    def denied_day(self) -> date | None:
        """The last day that had no units for a call."""
        return max((crawler.denied_day for crawler in self._crawlers.values() if crawler.denied_day), default=None)

    async def close(self) -> None:
        """Send nothing more. `go` returns when the calls under way have finished."""
        self._closing = True
        for crawler in self._crawlers.values():
            await crawler.close()

    async def sleep_until_reset(self, margin: timedelta) -> None:
        """Wait for another quota day than today, or for `close`; then reset each phase."""
        assert self._current is not None, "a phase was denied its units"
        await self._current.sleep_until_reset(margin)
        for crawler in self._crawlers.values():
            crawler.begin_anew()
