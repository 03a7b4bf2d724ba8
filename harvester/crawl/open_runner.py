"""Open a run by the settings: its clients, and the listings that it reads before the ids."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from harvester.clock import Clock
from harvester.config import Config, QuotaSettings
from harvester.crawl.batch_source import Listings
from harvester.crawl.run_report import RunReport
from harvester.crawl.runner import Phase, Runner
from harvester.crawl.stop import Stop
from harvester.ledger.ledger import Ledger
from harvester.model import ProcessIdentity
from harvester.youtube import Api
from harvester.youtube.client import client_for
from harvester.youtube.endpoints import CHANNELS_LIST, PLAYLIST_ITEMS_LIST, Endpoint, budget_of
from harvester.youtube.open_files_limit import affordable

if TYPE_CHECKING:
    from harvester.support.secret import Secret


@asynccontextmanager
async def open_runner(
    config: Config,
    ledger: Ledger,
    report: RunReport,
    *,
    clock: Clock,
    key: Secret,
    process: ProcessIdentity,
    stop: Stop | None,
    rng: random.Random | None,
    endpoint: Endpoint,
    listings: bool,
    proxies: bool,
) -> AsyncIterator[Runner]:
    """Open a run over an open ledger, with a client of `endpoint`; both end with the context.

    With `listings`, it reads channels and playlists first. With `proxies`, it uses those of the environment.
    """
    run = replace(config.run, concurrency=affordable(config.run.concurrency))
    client_of = partial(client_for, settings=config.youtube, run=run, key=key, clock=clock, proxies=proxies)
    phases = listing_phases(ledger, client_of, config.quota) if listings else nullcontext(())
    async with client_of(endpoint) as client, phases as before:
        yield Runner(
            ledger,
            client,
            clock,
            run=run,
            endpoint=endpoint,
            quota=endpoint.quota(config.quota),
            process=process,
            stop=stop,
            rng=rng,
            report=report,
            parts=endpoint.asked(config.youtube),
            listings=before,
        )


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
