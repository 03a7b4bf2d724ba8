"""The writing side of a ledger, over either database. The ledger owns no clock: `now` is always an argument.

Every instant (`now`, `before`) is an aware datetime, every `day` a quota day. Every method, and every method of
`LedgerReader`, raises LedgerUnavailable where the ledger can't be used for now (locked, disk full, no server),
LedgerUnusable where it is no ledger of this version or may not be written, and LedgerDamaged where it can't be read.
Each documents what else it raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from functools import update_wrapper
from itertools import islice
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from harvester.errors import HarvesterError
from harvester.ledger import queries, refresh_queries, statistics_queries
from harvester.ledger.process_identity import is_alive
from harvester.ledger.records import OldResponse
from harvester.ledger.transaction_runner import TransactionRunner
from harvester.ledger.transactions import claim as claiming
from harvester.ledger.transactions import failed_calls, listings, loads, quota_days, recover_dead_runs, refresh, runs
from harvester.ledger.transactions import prune as pruning
from harvester.ledger.transactions import requeue as requeuing
from harvester.ledger.transactions import settle as settling
from harvester.ledger.transactions.transaction import Transaction
from harvester.listing_types import ListingState
from harvester.model import (
    Batch,
    BatchKind,
    Body,
    Budget,
    Denied,
    IdRecord,
    Outcome,
    ProcessIdentity,
    Progress,
    VideoState,
)

P = ParamSpec("P")
T = TypeVar("T")

_SETTLE = {
    BatchKind.HARVEST: settling.settle_all,
    BatchKind.REFRESH: refresh.settle,
    BatchKind.STATISTICS: refresh.settle_statistics,
    BatchKind.LISTING: listings.settle,
}
"""The transaction that settles a batch of each kind."""
_RECONNECTION_SECONDS = 1.0
"""How long a run may be without a connection before it counts as dead: a dropped connection reconnects at once."""


def _committed(
    transaction: Callable[Concatenate[Transaction, P], T],
) -> Callable[Concatenate[Ledger, P], Coroutine[Any, Any, T]]:
    """The method that runs this transaction. It takes the same arguments, and returns the result once it is on disk."""

    def method(self: Ledger, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return self._runner.run(transaction, *args, **kwargs)

    update_wrapper(method, transaction)
    return method


class Ledger:
    """Each method runs a function of `transactions` or a query. Each change is one transaction: it is on disk whole,
    or not at all."""

    def __init__(self, runner: TransactionRunner, alive: Callable[[ProcessIdentity], bool] | None = None) -> None:
        self._runner = runner
        self._alive = alive or is_alive

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open_run(self, process: ProcessIdentity, now: datetime, lease_until: datetime) -> int:
        """Record a run of this process, with a lease until `lease_until`. Returns its id."""
        unclosed = self._runner.unclosed
        for run_id, reason in list(unclosed.items()):
            await self._runner.run(runs.close_run, run_id, now, reason)
            del unclosed[run_id]
        return await self._runner.run(runs.open_run, process, now, lease_until)

    def stop_waiting(self) -> None:
        """Stop waiting, from now on, for a server that is away or a lock of another process: methods raise instead."""
        self._runner.stop_waiting()

    async def close_run(self, run_id: int, now: datetime, reason: str) -> None:
        """End the run: abandon its open calls, and note in a few words why it ended."""
        try:
            await self._runner.run(runs.close_run, run_id, now, reason)
        except HarvesterError:
            self._runner.unclosed[run_id] = reason
            raise
        await self._runner.release_run_lock(run_id)

    async def recover(self, process: ProcessIdentity, now: datetime) -> int:
        """Take back the claims of dead runs: immediately where the process was on the host of `process`, after the
        lease elsewhere.

        Their units stay spent. Returns how many calls were abandoned.
        """
        return_seconds = self._runner.return_seconds
        given = (process, now, self._alive, return_seconds)
        abandoned, disconnected = await self._runner.run(recover_dead_runs.recover, *given)
        if disconnected:
            await asyncio.sleep(min(_RECONNECTION_SECONDS, return_seconds))
            abandoned += (await self._runner.run(recover_dead_runs.recover, *given, disconnected))[0]
        return abandoned

    def claim(
        self, run_id: int, budget: Budget, now: datetime, among: Sequence[int] | None = None
    ) -> Coroutine[Any, Any, Batch | Denied]:
        """Claim up to 50 pending ids for one call and reserve its units, together.

        Halves of split batches come first, then ids in load order. `among`: only ids at these positions. Returns
        the batch, of kind HARVEST, or why there is none; then nothing was changed.
        """
        return self._runner.run_together(claiming.claim_all, claiming.Claim(run_id, budget, now, among))

    def settle(self, batch: Batch, outcome: Outcome, now: datetime) -> Coroutine[Any, Any, bool]:
        """Store a good answer and settle its ids, as the batch's kind requires.

        HARVEST: they are fetched or missing. REFRESH: likewise, and the old response is deleted and noted as pruned.
        STATISTICS: they stay as they are, as do all earlier statistics. LISTING: what is learned of the channel is
        stored, or the ids of the page are added, with the token of the next; an answer that lists nothing fails the
        listing, for its reason. Returns False where the claim was lost meanwhile: then nothing is stored.
        """
        return self._runner.run_together(_SETTLE[batch.kind], settling.Settlement(batch, outcome, now))

    # --- each runs a transaction, and takes and promises what is said there

    renew_lease = _committed(runs.renew_lease)
    claim_old = _committed(refresh.claim)
    claim_listing = _committed(listings.claim)
    retry = _committed(failed_calls.retry)
    give_back = _committed(failed_calls.give_back)
    close_day = _committed(quota_days.close_day)
    reopen_day = _committed(quota_days.reopen_day)
    spend_elsewhere = _committed(quota_days.spend_elsewhere)
    open_load = _committed(loads.open_load)
    close_load = _committed(loads.close_load)
    add = _committed(loads.add)
    remove = _committed(loads.remove)
    last_position = _committed(loads.last_position)
    add_listings = _committed(listings.add)
    remove_listing = _committed(listings.remove)
    forget_channels = _committed(listings.forget_channels)
    requeue = _committed(requeuing.requeue)
    prune = _committed(pruning.prune)
    prune_statistics = _committed(pruning.prune_statistics)

    # --- queries

    async def has_listings(self, *states: ListingState) -> bool:
        """Return whether any listing is in one of the states, by default whether any is still to be read."""
        among = states or (ListingState.PENDING, ListingState.CLAIMED)
        (rows,) = await self._runner.read(queries.listings_in(among))
        return bool(rows)

    async def old_statistics(self, before: datetime) -> list[int]:
        """Return the calls whose statistics were fetched before `before`, oldest first.

        Without the newest of each stored response: they stay with it, because its own counts are older still.
        """
        (rows,) = await self._runner.read(statistics_queries.old_statistics(before))
        return [row.id for row in rows]

    async def progress(self) -> Progress:
        """Return the counts by state, and the days of the default bucket."""
        return queries.as_progress(*await self._runner.read(*queries.PROGRESS))

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
        (rows,) = await self._runner.read(refresh_queries.old_responses(before, after_call, limit, parts, kind))
        return [OldResponse(row.id, row.position_span) for row in rows]

    async def find(self, ids: Sequence[str]) -> dict[str, IdRecord]:
        """Return position, state and last call of those of the ids that are in the ledger."""
        found: dict[str, IdRecord] = {}
        remaining = map(self._runner.as_written, ids)
        while chunk := list(islice(remaining, queries.LOOKUP)):
            (rows,) = await self._runner.read(queries.find(chunk))
            for video_id, position, state, call_id in rows:
                found[self._runner.as_given(video_id)] = IdRecord(position, VideoState(state), call_id)
        return found

    async def bodies(self, call_ids: Sequence[int]) -> dict[int, Body]:
        """Return the stored bodies of those calls that have one, by call."""
        (rows,) = await self._runner.read(queries.bodies(call_ids))
        return {row.call_id: queries.as_body(row) for row in rows}

    async def close(self) -> None:
        """Wait for what is under way, then close all connections."""
        await self._runner.close()
