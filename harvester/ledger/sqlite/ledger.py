"""A ledger in one SQLite file: writes through one thread, reads beside them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Self

from harvester.errors import HarvesterError
from harvester.ledger import queries as ledger_queries
from harvester.ledger.load_records import Removal
from harvester.ledger.lookups import Lookups, StatisticsLookups
from harvester.ledger.process_identity import is_alive
from harvester.ledger.sqlite.connection import async_reading_engine, ledger_errors
from harvester.ledger.sqlite.writer import Writer
from harvester.ledger.transactions import claim as claiming
from harvester.ledger.transactions import inserts, refresh, requeue, runs, statistics
from harvester.ledger.transactions import settle as settling
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

# Runs of this process whose closing failed, as on a full disk. Recovery sees their process alive, so nobody else would
# give their claims back while it lives.
_UNCLOSED: dict[Path, dict[int, str]] = {}


class SqliteLedger(Lookups):
    """See `Ledger` for what each method promises. The file must exist and be up to date: see `upgrade`."""

    def __init__(self, path: Path, alive: Callable[[ProcessIdentity], bool] = is_alive) -> None:
        self._path = path
        self._alive = alive
        self._writer = Writer(path)
        self._reader = async_reading_engine(path)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open_run(self, process: ProcessIdentity, now: datetime, lease_until: datetime) -> int:
        for unclosed, reason in list(_UNCLOSED.get(self._path, {}).items()):
            await self._writer.run(runs.close_run, unclosed, now, reason)
            del _UNCLOSED[self._path][unclosed]
        return await self._writer.run(runs.open_run, process, now, lease_until)

    async def renew_lease(self, run_id: int, lease_until: datetime) -> None:
        await self._writer.run(runs.renew_lease, run_id, lease_until)

    def hurry(self) -> None:
        """See Ledger."""
        self._writer.hurry()

    async def close_run(self, run_id: int, now: datetime, reason: str) -> None:
        try:
            await self._writer.run(runs.close_run, run_id, now, reason)
        except HarvesterError:
            _UNCLOSED.setdefault(self._path, {})[run_id] = reason
            raise

    async def recover(self, process: ProcessIdentity, now: datetime) -> int:
        return await self._writer.run(runs.recover, process, now, self._alive)

    async def claim(
        self, run_id: int, budget: Budget, now: datetime, among: Sequence[int] | None = None
    ) -> Batch | Denied:
        return await self._writer.run_together(claiming.claim_all, claiming.Claim(run_id, budget, now, among))

    async def claim_old(
        self, run_id: int, budget: Budget, now: datetime, old_call: int, before: datetime
    ) -> Batch | Denied:
        return await self._writer.run(refresh.claim, run_id, budget, now, old_call, before)

    async def retry(self, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime) -> Batch | Denied:
        retry = settling.retry if batch.replaces is None else refresh.retry
        return await self._writer.run(retry, run_id, batch, fault, budget, now)

    async def settle(self, batch: Batch, outcome: Outcome, now: datetime) -> bool:
        settlement = settling.Settlement(batch, outcome, now)
        if batch.replaces is not None:
            return await self._writer.run(refresh.settle, settlement)
        return await self._writer.run_together(settling.settle_all, settlement)

    async def give_back(self, batch: Batch, fault: Outcome, how: GiveBack, now: datetime) -> bool:
        if batch.replaces is not None:
            return await self._writer.run(refresh.give_back, batch, fault, now)
        return await self._writer.run(settling.give_back, batch, fault, how, now)

    async def close_day(self, day: date, now: datetime) -> None:
        await self._writer.run(settling.close_day, day, now)

    async def reopen_day(self, day: date) -> bool:
        return await self._writer.run(settling.reopen_day, day)

    async def spend_elsewhere(self, day: date, units: int) -> None:
        await self._writer.run(settling.spend_elsewhere, day, units)

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
        remaining = iter(ids)
        while chunk := list(islice(remaining, ledger_queries.LOOKUP)):
            (rows,) = await self._read(ledger_queries.find(chunk))
            found |= {row.video_id: ledger_queries.as_whereabouts(row) for row in rows}
        return found

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.dispose()

    async def _read(self, *queries: ledger_queries.AnyQuery) -> list[Sequence[ledger_queries.AnyRow]]:
        """The rows of each query, all from one snapshot."""
        with ledger_errors(self._path):
            async with self._reader.connect() as connection:
                return [(await connection.execute(query)).all() for query in queries]


class StatisticsLedger(StatisticsLookups, SqliteLedger):
    """The same ledger for a refresh of statistics: what is old, asked for and stored are those of its responses."""

    async def claim_old(
        self, run_id: int, budget: Budget, now: datetime, old_call: int, before: datetime
    ) -> Batch | Denied:
        return await self._writer.run(statistics.claim, run_id, budget, now, old_call, before)

    async def retry(self, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime) -> Batch | Denied:
        return await self._writer.run(statistics.retry, run_id, batch, fault, budget, now)

    async def settle(self, batch: Batch, outcome: Outcome, now: datetime) -> bool:
        return await self._writer.run(statistics.settle, settling.Settlement(batch, outcome, now))

    async def give_back(self, batch: Batch, fault: Outcome, how: GiveBack, now: datetime) -> bool:
        return await self._writer.run(statistics.give_back, batch, fault, now)

    async def close_day(self, day: date, now: datetime) -> None:
        await self._writer.run(statistics.close_day, day, now)

    async def reopen_day(self, day: date) -> bool:
        return await self._writer.run(statistics.reopen_day, day)

    async def spend_elsewhere(self, day: date, units: int) -> None:
        await self._writer.run(statistics.spend_elsewhere, day, units)
