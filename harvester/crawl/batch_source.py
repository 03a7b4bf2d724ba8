"""Where the batches of a crawl come from, and where released ones return to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from harvester.ledger.ledger import Ledger
from harvester.model import Batch, BatchKind, Budget, Denied
from harvester.youtube import Api
from harvester.youtube.endpoints import Endpoint

OLD_AT_ONCE = 100
"""The most old responses that one query reads."""


class BatchSource(Protocol):
    """What a crawl claims from until it is denied. `released_note` and `command` are texts for its errors."""

    released_note: str
    """What happens to the calls under way if a run ends early."""
    command: str
    """The command that continues the crawl."""

    async def claim(self, run_id: int, budget: Budget, now: datetime) -> Batch | Denied | None:
        """Claim a batch. Returns why there is none, or None to ask again: nothing this time."""
        ...

    def requeue(self, batch: Batch, halves: int = 1) -> None:
        """Note that the batch was released, as two `halves` if it was split: this run claims it again."""
        ...

    def give_up(self, batch: Batch) -> None:
        """Note that the batch, which claims no ids, was released, and is not to be claimed again by this run."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Calls of one endpoint: who makes them, where their batches come from, and what they may spend a day."""

    endpoint: Endpoint
    api: Api
    batches: BatchSource
    budget: Budget
    """It applies to each day, whatever its own day."""


class PendingIds:
    """Every id that is pending."""

    released_note = "the ids under way are pending again"
    command = "harvester run"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def claim(self, run_id: int, budget: Budget, now: datetime) -> Coroutine[Any, Any, Batch | Denied | None]:
        return self._ledger.claim(run_id, budget, now)

    def requeue(self, batch: Batch, halves: int = 1) -> None:
        """Do nothing: the next claims find the ids, which are pending."""

    def give_up(self, batch: Batch) -> None:
        raise AssertionError("ids are split, or fail")


class ChosenIds(PendingIds):
    """Pending ids at given positions, claimed in the groups in which `among` yields them."""

    def __init__(self, ledger: Ledger, among: Iterator[Sequence[int]]) -> None:
        super().__init__(ledger)
        self._among = among
        self._requeued: deque[Sequence[int]] = deque()

    async def claim(self, run_id: int, budget: Budget, now: datetime) -> Batch | Denied | None:
        among = self._requeued.popleft() if self._requeued else next(self._among, None)
        if among is None:
            return Denied.NOTHING_PENDING
        claimed = await self._ledger.claim(run_id, budget, now, among)
        if isinstance(claimed, Batch) and set(among).isdisjoint(claimed.positions):
            # Half of a split batch was claimed instead.
            self._requeued.append(among)
        elif claimed in (Denied.BUDGET_SPENT, Denied.DAY_CLOSED):
            self._requeued.appendleft(among)
        return None if claimed is Denied.NOTHING_PENDING else claimed

    def requeue(self, batch: Batch, halves: int = 1) -> None:
        """Note the positions, once for each half: no other claim would ask for them again."""
        self._requeued += [batch.positions] * halves


class OldResponses:
    """The stored responses that were fetched before `before`, in the order of their calls, each of them once.

    `parts`: only those that asked for other parts. Of kind STATISTICS, those whose newest statistics are older.
    """

    released_note = "the old responses under way stay as they were"
    command = "harvester refresh"

    def __init__(
        self, ledger: Ledger, before: datetime, parts: str | None = None, kind: BatchKind = BatchKind.REFRESH
    ) -> None:
        self._ledger = ledger
        self._before = before
        self._parts = parts
        self._kind = kind
        self._calls: deque[int] = deque()
        self._last_call = 0
        self._looking = asyncio.Lock()

    async def claim(self, run_id: int, budget: Budget, now: datetime) -> Batch | Denied | None:
        old_call = await self._next()
        if old_call is None:
            return Denied.NOTHING_PENDING
        claimed = await self._ledger.claim_old(run_id, budget, now, old_call, self._before, self._kind)
        if claimed is Denied.NOTHING_PENDING:
            return None  # another refresh has claimed the response, or the response is gone
        if isinstance(claimed, Denied):
            self._calls.appendleft(old_call)
        return claimed

    async def _next(self) -> int | None:
        async with self._looking:
            if not self._calls:
                after, parts = self._last_call, self._parts
                old = await self._ledger.old_responses(self._before, after, OLD_AT_ONCE, parts, self._kind)
                self._calls.extend(response.call_id for response in old)
                self._last_call = old[-1].call_id if old else self._last_call
            return self._calls.popleft() if self._calls else None

    def requeue(self, batch: Batch, halves: int = 1) -> None:
        """Put the response back at the end of the queue."""
        assert batch.of_call is not None, "it was claimed here"
        self._calls.append(batch.of_call)

    def give_up(self, batch: Batch) -> None:
        """Do nothing: each response is asked for once."""


class Listings:
    """Listings to be read, in order. `channels`: those whose uploads are unknown; else those with a page to be read."""

    released_note = "the channels and playlists under way stay where they were"
    command = "harvester run"

    def __init__(self, ledger: Ledger, *, channels: bool) -> None:
        self._ledger = ledger
        self._channels = channels
        self._given_up: set[int] = set()

    def claim(self, run_id: int, budget: Budget, now: datetime) -> Coroutine[Any, Any, Batch | Denied | None]:
        given_up = frozenset(self._given_up)
        return self._ledger.claim_listing(run_id, budget, now, channels=self._channels, given_up=given_up)

    def requeue(self, batch: Batch, halves: int = 1) -> None:
        """Do nothing: the next claims find the listing, which is pending."""

    def give_up(self, batch: Batch) -> None:
        assert batch.listing is not None, "it was claimed here"
        self._given_up.add(batch.listing.listing_id)
