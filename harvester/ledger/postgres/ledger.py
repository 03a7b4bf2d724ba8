"""A ledger in PostgreSQL: writes through one thread and connection, reads beside them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Self

from harvester.errors import LedgerUnavailable
from harvester.ledger import queries as ledger_queries
from harvester.ledger.load_records import Removal
from harvester.ledger.lookups import Lookups, StatisticsLookups
from harvester.ledger.postgres import claim as postgres_claim
from harvester.ledger.postgres import inserts, refresh, requeue, runs, statistics
from harvester.ledger.postgres import settle as postgres_settle
from harvester.ledger.postgres.connection import ledger_errors, reading_engine
from harvester.ledger.postgres.writer import RETURN_SECONDS, PostgresWriter
from harvester.ledger.process_identity import is_alive
from harvester.ledger.transactions.claim import Claim
from harvester.ledger.transactions.settle import Settlement
from harvester.model import (
    Addition,
    Batch,
    Budget,
    Denied,
    GiveBack,
    Outcome,
    ProcessIdentity,
    Span,
    Stored,
    VideoState,
    Whereabouts,
)

_PAUSE_SECONDS = 0.2
_RECONNECTION_SECONDS = 1.0
"""So long a run may be without a connection before it is taken for dead: one that was cut is made anew at once."""


class PostgresLedger(Lookups):
    """See `Ledger` for what each method promises. The ledger must be there and up to date: see `upgrade`."""

    def __init__(
        self,
        url: str,
        alive: Callable[[ProcessIdentity], bool] = is_alive,
        return_seconds: float = RETURN_SECONDS,
    ) -> None:
        self._url = url
        self._alive = alive
        self._return_seconds = return_seconds
        self._writer = PostgresWriter(url, return_seconds)
        self._reader = reading_engine(url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open_run(self, process: ProcessIdentity, now: datetime, lease_until: datetime) -> int:
        run_id = await self._writer.run(runs.next_run_id)
        await self._writer.hold(run_id)
        await self._writer.run(runs.open_run, run_id, process, now, lease_until)
        return run_id

    async def renew_lease(self, run_id: int, lease_until: datetime) -> None:
        await self._writer.run(runs.renew_lease, run_id, lease_until)

    def hurry(self) -> None:
        self._writer.hurry()

    async def close_run(self, run_id: int, now: datetime, reason: str) -> None:
        await self._writer.run(runs.close_run, run_id, now, reason)
        await self._writer.let_go(run_id)

    async def recover(self, process: ProcessIdentity, now: datetime) -> int:
        recovery = runs.Recovery(process, now, self._alive, self._return_seconds)
        abandoned, missing = await self._writer.run(runs.recover, recovery, ())
        if missing:
            await asyncio.sleep(min(_RECONNECTION_SECONDS, self._return_seconds))
            abandoned += (await self._writer.run(runs.recover, recovery, missing))[0]
        return abandoned

    async def claim(
        self, run_id: int, budget: Budget, now: datetime, among: Sequence[int] | None = None
    ) -> Batch | Denied:
        return await self._writer.run_together(postgres_claim.claim_all, Claim(run_id, budget, now, among))

    async def claim_old(
        self, run_id: int, budget: Budget, now: datetime, old_call: int, before: datetime
    ) -> Batch | Denied:
        return await self._writer.run(refresh.claim, run_id, budget, now, old_call, before)

    async def retry(self, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime) -> Batch | Denied:
        retry = postgres_settle.retry if batch.replaces is None else refresh.retry
        return await self._writer.run(retry, run_id, batch, fault, budget, now)

    async def settle(self, batch: Batch, outcome: Outcome, now: datetime) -> bool:
        settlement = Settlement(batch, outcome, now)
        if batch.replaces is not None:
            return await self._writer.run(refresh.settle, settlement)
        return await self._writer.run_together(postgres_settle.settle_all, settlement)

    async def give_back(self, batch: Batch, fault: Outcome, how: GiveBack, now: datetime) -> bool:
        if batch.replaces is not None:
            return await self._writer.run(refresh.give_back, batch, fault, now)
        return await self._writer.run(postgres_settle.give_back, batch, fault, how, now)

    async def close_day(self, day: date, now: datetime) -> None:
        await self._writer.run(postgres_settle.close_day, day, now)

    async def reopen_day(self, day: date) -> bool:
        return await self._writer.run(postgres_settle.reopen_day, day)

    async def spend_elsewhere(self, day: date, units: int) -> None:
        await self._writer.run(postgres_settle.spend_elsewhere, day, units)

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

    async def put_back(
        self, span: Span, states: Collection[VideoState], reasons: Collection[str] | None
    ) -> dict[VideoState, int]:
        return await self._writer.run(requeue.put_back, span, states, reasons)

    async def prune(self, call_ids: Sequence[int], before: datetime, now: datetime) -> Stored:
        return await self._writer.run(requeue.prune, call_ids, before, now)

    async def find(self, ids: Sequence[str]) -> dict[str, Whereabouts]:
        found: dict[str, Whereabouts] = {}
        remaining = map(inserts.escaped, ids)
        while chunk := list(islice(remaining, ledger_queries.LOOKUP)):
            (rows,) = await self._read(ledger_queries.find(chunk))
            found |= {inserts.unescaped(row.video_id): ledger_queries.as_whereabouts(row) for row in rows}
        return found

    async def close(self) -> None:
        await self._writer.close()
        self._reader.dispose()

    async def _read(self, *queries: ledger_queries.AnyQuery) -> list[Sequence[ledger_queries.AnyRow]]:
        return await asyncio.to_thread(self._read_all, queries)

    def _read_all(self, queries: Sequence[ledger_queries.AnyQuery]) -> list[Sequence[ledger_queries.AnyRow]]:
        """The rows of each query, all from one snapshot. A server that is gone is waited for, as when writing."""
        give_up_at = time.monotonic() + self._return_seconds
        while True:
            try:
                with ledger_errors(self._url), self._reader.connect() as connection:
                    return [connection.execute(query).all() for query in queries]
            except LedgerUnavailable:
                if time.monotonic() >= give_up_at:
                    raise
                time.sleep(_PAUSE_SECONDS)


class PostgresStatisticsLedger(StatisticsLookups, PostgresLedger):
    """The same ledger for a refresh of statistics: what is old, asked for and stored are those of its responses."""

    async def claim_old(
        self, run_id: int, budget: Budget, now: datetime, old_call: int, before: datetime
    ) -> Batch | Denied:
        return await self._writer.run(statistics.claim, run_id, budget, now, old_call, before)

    async def retry(self, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime) -> Batch | Denied:
        return await self._writer.run(statistics.retry, run_id, batch, fault, budget, now)

    async def settle(self, batch: Batch, outcome: Outcome, now: datetime) -> bool:
        return await self._writer.run(statistics.settle, Settlement(batch, outcome, now))

    async def give_back(self, batch: Batch, fault: Outcome, how: GiveBack, now: datetime) -> bool:
        return await self._writer.run(statistics.give_back, batch, fault, now)

    async def close_day(self, day: date, now: datetime) -> None:
        await self._writer.run(statistics.close_day, day, now)

    async def reopen_day(self, day: date) -> bool:
        return await self._writer.run(statistics.reopen_day, day)

    async def spend_elsewhere(self, day: date, units: int) -> None:
        await self._writer.run(statistics.spend_elsewhere, day, units)
