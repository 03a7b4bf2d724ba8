"""The writing side of a ledger, over either database. The ledger owns no clock: `now` is always an argument.

Every instant (`now`, `before`) is an aware datetime, every `day` a quota day. Every method, and every method of
`LedgerReader`, raises LedgerUnavailable where the ledger can't be used for now (locked, disk full, no server),
LedgerUnusable where it is no ledger of this version or may not be written, and LedgerDamaged where it can't be read.
Each method documents what else it raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any, Self

from harvester.errors import HarvesterError
from harvester.ledger import queries, statistics_queries
from harvester.ledger.connector import Connector
from harvester.ledger.load_records import OldResponse, Removal
from harvester.ledger.process_identity import is_alive
from harvester.ledger.transactions import claim as claiming
from harvester.ledger.transactions import inserts, listings, prune, quota_days, refresh, requeue, runs
from harvester.ledger.transactions import settle as settling
from harvester.listing import ListingsAdded, ListingState, Target
from harvester.model import (
    Addition,
    Batch,
    BatchKind,
    Body,
    Bucket,
    Budget,
    Denied,
    GiveBack,
    IdRecord,
    Outcome,
    ProcessIdentity,
    Progress,
    Span,
    Stored,
    VideoState,
)

_SETTLE = {
    BatchKind.HARVEST: settling.settle_all,
    BatchKind.REFRESH: refresh.settle,
    BatchKind.STATISTICS: refresh.settle_statistics,
    BatchKind.LISTING: listings.settle,
}
"""The transaction that settles a batch of each kind."""
_RECONNECTION_SECONDS = 1.0
"""How long a run may be without a connection before it counts as dead: a dropped connection reconnects at once."""


class Ledger:
    """Each method runs a function of `transactions` or a query. Each change is one transaction: it is on disk whole,
    or not at all."""

    def __init__(self, connector: Connector, alive: Callable[[ProcessIdentity], bool] | None = None) -> None:
        self._connector = connector
        self._alive = alive or is_alive

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open_run(self, process: ProcessIdentity, now: datetime, lease_until: datetime) -> int:
        """Record a run of this process, with a lease until `lease_until`. Returns its id."""
        unclosed = self._connector.unclosed
        for run_id, reason in list(unclosed.items()):
            await self._connector.run(runs.close_run, run_id, now, reason)
            del unclosed[run_id]
        return await self._connector.run(runs.open_run, process, now, lease_until)

    async def renew_lease(self, run_id: int, lease_until: datetime) -> None:
        """Extend the run's lease to `lease_until`, and reopen a run that was taken for dead."""
        await self._connector.run(runs.renew_lease, run_id, lease_until)

    def stop_waiting(self) -> None:
        """Stop waiting, from now on, for a server that is away or a lock of another process: methods raise instead."""
        self._connector.stop_waiting()

    async def close_run(self, run_id: int, now: datetime, reason: str) -> None:
        """End the run: abandon its open calls, and note in a few words why it ended."""
        try:
            await self._connector.run(runs.close_run, run_id, now, reason)
        except HarvesterError:
            self._connector.unclosed[run_id] = reason
            raise
        await self._connector.release_run_lock(run_id)

    async def recover(self, process: ProcessIdentity, now: datetime) -> int:
        """Take back the claims of dead runs: immediately where the process was on the host of `process`, after the
        lease elsewhere.

        Their units stay spent. Returns how many calls were abandoned.
        """
        return_seconds = self._connector.return_seconds
        recovery = runs.Recovery(process, now, self._alive, return_seconds)
        abandoned, disconnected = await self._connector.run(runs.recover, recovery, ())
        if disconnected:
            await asyncio.sleep(min(_RECONNECTION_SECONDS, return_seconds))
            abandoned += (await self._connector.run(runs.recover, recovery, disconnected))[0]
        return abandoned

    def claim(
        self, run_id: int, budget: Budget, now: datetime, among: Sequence[int] | None = None
    ) -> Coroutine[Any, Any, Batch | Denied]:
        """Claim up to 50 pending ids for one call and reserve its units, together.

        Halves of split batches come first, then ids in load order. `among`: only ids at these positions. Returns
        the batch, of kind HARVEST, or why there is none; then nothing was changed.
        """
        return self._connector.run_together(claiming.claim_all, claiming.Claim(run_id, budget, now, among))

    async def claim_old(
        self,
        run_id: int,
        budget: Budget,
        now: datetime,
        of_call: int,
        before: datetime,
        kind: BatchKind = BatchKind.REFRESH,
    ) -> Batch | Denied:
        """Reserve the units of one call for the ids of a stored response: to replace it, or to store their statistics.

        `of_call` is the response's call. The response or its newest statistics must be older than `before`, and no call
        under way may ask for the same. The ids stay fetched. A refresh deletes a response without any video instead.
        `budget` is of the endpoint that `kind` needs. Returns the batch, of this kind, or why there is none.
        """
        return await self._connector.run(refresh.claim, run_id, budget, now, kind, of_call, before)

    async def claim_listing(
        self, run_id: int, budget: Budget, now: datetime, *, channels: bool, given_up: Collection[int] = ()
    ) -> Batch | Denied:
        """Reserve the units of one call for a listing: for a channel whose uploads are unknown, or for a page.

        `given_up`: the ids of listings to leave out. `budget` is of the endpoint that this needs. Returns the batch, of
        kind LISTING, or why there is none.
        """
        return await self._connector.run(listings.claim, run_id, budget, now, channels, given_up)

    async def retry(self, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime) -> Batch | Denied:
        """Close the batch's call as failed, and reserve the units of another call for the same ids.

        Returns the batch by its new call. Denied: claimed ids are pending again, a stored response is as it was;
        CLAIM_LOST: the claim had been taken back before, and nothing was changed.
        """
        return await self._connector.run(settling.retry, run_id, batch, fault, budget, now)

    def settle(self, batch: Batch, outcome: Outcome, now: datetime) -> Coroutine[Any, Any, bool]:
        """Store a good answer and settle its ids, as the batch's kind requires.

        HARVEST: they are fetched or missing. REFRESH: likewise, and the old response is deleted and noted as pruned.
        STATISTICS: they stay as they are, as do all earlier statistics. LISTING: what is learned of the channel is
        stored, or the ids of the page are added, with the token of the next; an answer that lists nothing fails the
        listing, for its reason. Returns False where the claim was lost meanwhile: then nothing is stored.
        """
        return self._connector.run_together(_SETTLE[batch.kind], settling.Settlement(batch, outcome, now))

    async def give_back(self, batch: Batch, fault: Outcome, how: GiveBack, now: datetime) -> bool:
        """Close the batch's call as failed, and release, split or fail its ids, as `how` says.

        Ids that the batch did not claim stay fetched. The units of a request that was never sent go back to the day.
        Returns False where the claim was lost meanwhile, and nothing was changed.
        """
        return await self._connector.run(settling.give_back, batch, fault, how, now)

    async def close_day(self, day: date, now: datetime, bucket: Bucket = "default") -> None:
        """Note that the API says the day's quota is spent: no claim of that bucket succeeds on that day any more."""
        await self._connector.run(quota_days.close_day, bucket, day, now)

    async def reopen_day(self, day: date, bucket: Bucket = "default") -> bool:
        """Reopen a closed day. Returns False where the day was not closed."""
        return await self._connector.run(quota_days.reopen_day, bucket, day)

    async def spend_elsewhere(self, day: date, units: int, bucket: Bucket = "default") -> None:
        """Note that others spent `units` of the day in all, which no claim may spend. Replaces an earlier note."""
        await self._connector.run(quota_days.spend_elsewhere, bucket, day, units)

    async def open_load(self, source: str, now: datetime) -> int:
        """Record a load of `source`, a text for display. Returns its id."""
        return await self._connector.run(inserts.open_load, source, now)

    async def close_load(self, load_id: int, now: datetime) -> None:
        """Note that the load read its source to the end."""
        await self._connector.run(inserts.close_load, load_id, now)

    async def add(
        self,
        ids: Sequence[str],
        invalid: Collection[str],
        known_up_to: int,
        load_id: int | None = None,
        rows: int = 0,
    ) -> Addition:
        """Append the ids that are new, in order; those of `invalid` will never be asked for.

        `rows`, the rows of the source that were read for them, and what is new are added to the counts of the load.
        Returns how many are new, and which of the others stand at positions up to `known_up_to`.
        """
        return await self._connector.run(inserts.add, ids, invalid, known_up_to, load_id, rows)

    async def add_listings(self, targets: Sequence[Target], now: datetime, *, again: bool = False) -> ListingsAdded:
        """Add channels and playlists whose videos the next runs find. Those of them that failed are pending again.

        `again`: read those of the targets that are done again, or without targets all that are done. Uploads are read
        from the newest page until one whose ids were all known before, other playlists whole.
        """
        return await self._connector.run(listings.add, targets, again, now)

    async def remove_listing(self, listing_id: int, now: datetime) -> bool:
        """Mark a listing as failed, because it was removed: no run reads it further. Its ids stay.

        Returns False, and changes nothing, while a call for it is under way.
        """
        return await self._connector.run(listings.remove, listing_id, now)

    async def has_listings(self, *states: ListingState) -> bool:
        """Return whether any listing is in one of the states, by default whether any is still to be read."""
        among = states or (ListingState.PENDING, ListingState.CLAIMED)
        (rows,) = await self._connector.read(queries.listings_in(among))
        return bool(rows)

    async def remove(self, span: Span, which: Removal) -> dict[VideoState, int]:
        """Remove the ids of `span` that no call has asked for. Returns how many of each state."""
        return await self._connector.run(inserts.remove, span, which)

    async def last_position(self) -> int:
        """Return the position of the newest id, 0 in an empty ledger."""
        return await self._connector.run(inserts.last_position)

    async def requeue(
        self, span: Span, states: Collection[VideoState], reasons: Collection[str] | None
    ) -> dict[VideoState, int]:
        """Make the failed or missing ids of `span` pending again. Returns how many of each of `states`.

        `reasons`: only ids whose last call failed for one of them.
        """
        return await self._connector.run(requeue.requeue, span, states, reasons)

    async def prune(self, call_ids: Sequence[int], before: datetime, now: datetime) -> Stored:
        """Delete the responses of those calls that were fetched before `before`, and note it.

        Their fetched ids are pending again, missing ones stay missing; calls under way that would replace one are
        abandoned. Returns what was deleted.
        """
        return await self._connector.run(prune.prune, call_ids, before, now)

    async def old_statistics(self, before: datetime) -> list[int]:
        """Return the calls whose statistics were fetched before `before`, oldest first.

        Without the newest of each stored response: they stay with it, because its own counts are older still.
        """
        (rows,) = await self._connector.read(statistics_queries.old_statistics(before))
        return [row.id for row in rows]

    async def prune_statistics(self, call_ids: Sequence[int]) -> None:
        """Delete the statistics that those calls fetched. No id changes state."""
        await self._connector.run(prune.prune_statistics, list(call_ids))

    async def forget_channels(self, before: datetime) -> None:
        """Delete what channels.list said of channels before `before`; reading one again stores it anew."""
        await self._connector.run(listings.forget_channels, before)

    async def progress(self) -> Progress:
        """Return the counts by state, and the days of the default bucket."""
        return queries.as_progress(*await self._connector.read(*queries.PROGRESS))

    async def old_responses(
        self,
        before: datetime,
        after_call: int,
        limit: int,
        parts: str | None = None,
        kind: BatchKind = BatchKind.REFRESH,
    ) -> Sequence[OldResponse]:
        """Return up to `limit` stored responses of calls after `after_call` that were fetched before `before`, by call.

        `parts`: only those that asked for other parts, comma-separated. Of kind STATISTICS, those with videos whose
        newest statistics are older.
        """
        (rows,) = await self._connector.read(queries.old_responses(before, after_call, limit, parts, kind))
        return [OldResponse(row.id, row.position_span) for row in rows]

    async def find(self, ids: Sequence[str]) -> dict[str, IdRecord]:
        """Return position, state and last call of those of the ids that are in the ledger."""
        found: dict[str, IdRecord] = {}
        remaining = map(self._connector.as_written, ids)
        while chunk := list(islice(remaining, queries.LOOKUP)):
            (rows,) = await self._connector.read(queries.find(chunk))
            for video_id, position, state, call_id in rows:
                found[self._connector.as_given(video_id)] = IdRecord(position, VideoState(state), call_id)
        return found

    async def bodies(self, call_ids: Sequence[int]) -> dict[int, Body]:
        """Return the stored bodies of those calls that have one, by call."""
        (rows,) = await self._connector.read(queries.bodies(call_ids))
        return {row.call_id: queries.as_body(row) for row in rows}

    async def close(self) -> None:
        """Wait for what is under way, then close all connections."""
        await self._connector.close()
