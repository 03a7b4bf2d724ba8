"""The ledger that a run writes, over either database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Self

from harvester.errors import HarvesterError
from harvester.ledger import queries
from harvester.ledger.connector import Connector
from harvester.ledger.load_records import Removal
from harvester.ledger.process_identity import is_alive
from harvester.ledger.transactions import claim as claiming
from harvester.ledger.transactions import inserts, prune, quota_days, refresh, requeue, runs
from harvester.ledger.transactions import settle as settling
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
    OldResponse,
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
}
"""The transaction that settles a batch of each kind."""
_RECONNECTION_SECONDS = 1.0
"""How long a run may be without a connection before it counts as dead: a dropped connection reconnects at once."""


class SqlLedger:
    """The `Ledger` of both databases: each method runs one of the functions of `transactions`, or a query."""

    def __init__(self, connector: Connector, alive: Callable[[ProcessIdentity], bool] | None = None) -> None:
        self._connector = connector
        self._writer = connector.writer
        self._alive = alive or is_alive

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open_run(self, process: ProcessIdentity, now: datetime, lease_until: datetime) -> int:
        unclosed = self._connector.unclosed
        for run_id, reason in list(unclosed.items()):
            await self._writer.run(runs.close_run, run_id, now, reason)
            del unclosed[run_id]
        return await self._writer.run(runs.open_run, process, now, lease_until)

    async def renew_lease(self, run_id: int, lease_until: datetime) -> None:
        await self._writer.run(runs.renew_lease, run_id, lease_until)

    def stop_waiting(self) -> None:
        """See Ledger."""
        self._writer.stop_waiting()

    async def close_run(self, run_id: int, now: datetime, reason: str) -> None:
        try:
            await self._writer.run(runs.close_run, run_id, now, reason)
        except HarvesterError:
            self._connector.unclosed[run_id] = reason
            raise
        await self._writer.release_run_lock(run_id)

    async def recover(self, process: ProcessIdentity, now: datetime) -> int:
        return_seconds = self._connector.return_seconds
        recovery = runs.Recovery(process, now, self._alive, return_seconds)
        abandoned, disconnected = await self._writer.run(runs.recover, recovery, ())
        if disconnected:
            await asyncio.sleep(min(_RECONNECTION_SECONDS, return_seconds))
            abandoned += (await self._writer.run(runs.recover, recovery, disconnected))[0]
        return abandoned

    async def claim(
        self, run_id: int, budget: Budget, now: datetime, among: Sequence[int] | None = None
    ) -> Batch | Denied:
        return await self._writer.run_together(claiming.claim_all, claiming.Claim(run_id, budget, now, among))

    async def claim_old(
        self,
        run_id: int,
        budget: Budget,
        now: datetime,
        of_call: int,
        before: datetime,
        kind: BatchKind = BatchKind.REFRESH,
    ) -> Batch | Denied:
        return await self._writer.run(refresh.claim, run_id, budget, now, kind, of_call, before)

    async def retry(self, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime) -> Batch | Denied:
        return await self._writer.run(settling.retry, run_id, batch, fault, budget, now)

    async def settle(self, batch: Batch, outcome: Outcome, now: datetime) -> bool:
        return await self._writer.run_together(_SETTLE[batch.kind], settling.Settlement(batch, outcome, now))

    async def give_back(self, batch: Batch, fault: Outcome, how: GiveBack, now: datetime) -> bool:
        return await self._writer.run(settling.give_back, batch, fault, how, now)

    async def close_day(self, day: date, now: datetime, bucket: Bucket = "default") -> None:
        await self._writer.run(quota_days.close_day, bucket, day, now)

    async def reopen_day(self, day: date, bucket: Bucket = "default") -> bool:
        return await self._writer.run(quota_days.reopen_day, bucket, day)

    async def spend_elsewhere(self, day: date, units: int, bucket: Bucket = "default") -> None:
        await self._writer.run(quota_days.spend_elsewhere, bucket, day, units)

    async def open_load(self, source: str, now: datetime) -> int:
        return await self._writer.run(inserts.open_load, source, now)

    async def close_load(self, load_id: int, now: datetime) -> None:
        await self._writer.run(inserts.close_load, load_id, now)

    async def add(
        self,
        ids: Sequence[str],
        invalid: Collection[str],
        known_up_to: int,
        load_id: int | None = None,
        rows: int = 0,
    ) -> Addition:
        return await self._writer.run(inserts.add, ids, invalid, known_up_to, load_id, rows)

    async def remove(self, span: Span, which: Removal) -> dict[VideoState, int]:
        return await self._writer.run(inserts.remove, span, which)

    async def last_position(self) -> int:
        return await self._writer.run(inserts.last_position)

    async def requeue(
        self, span: Span, states: Collection[VideoState], reasons: Collection[str] | None
    ) -> dict[VideoState, int]:
        return await self._writer.run(requeue.requeue, span, states, reasons)

    async def prune(self, call_ids: Sequence[int], before: datetime, now: datetime) -> Stored:
        return await self._writer.run(prune.prune, call_ids, before, now)

    async def progress(self) -> Progress:
        return queries.as_progress(*await self._connector.read(*queries.PROGRESS))

    async def old_responses(
        self,
        before: datetime,
        after_call: int,
        limit: int,
        parts: str | None = None,
        kind: BatchKind = BatchKind.REFRESH,
    ) -> Sequence[OldResponse]:
        (rows,) = await self._connector.read(queries.old_responses(before, after_call, limit, parts, kind))
        return [OldResponse(row.id, row.position_span) for row in rows]

    async def find(self, ids: Sequence[str]) -> dict[str, IdRecord]:
        found: dict[str, IdRecord] = {}
        remaining = map(self._connector.as_written, ids)
        while chunk := list(islice(remaining, queries.LOOKUP)):
            (rows,) = await self._connector.read(queries.find(chunk))
            found |= {self._connector.as_given(row.video_id): queries.as_id_record(row) for row in rows}
        return found

    async def bodies(self, call_ids: Sequence[int]) -> dict[int, Body]:
        (rows,) = await self._connector.read(queries.bodies(call_ids))
        return {row.call_id: queries.as_body(row) for row in rows}

    async def close(self) -> None:
        await self._connector.close()
