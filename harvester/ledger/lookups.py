"""What a ledger is asked beside its writes, whatever the database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from harvester.ledger import queries as ledger_queries
from harvester.model import Body, OldResponse, Progress


class Lookups(ABC):
    """See `Ledger` for what each method promises."""

    async def progress(self) -> Progress:
        return ledger_queries.as_progress(*await self._read(*ledger_queries.PROGRESS))

    async def old_responses(
        self, before: datetime, after_call: int, most: int, parts: str | None = None
    ) -> Sequence[OldResponse]:
        (rows,) = await self._read(ledger_queries.old_responses(before, after_call, most, parts))
        return [OldResponse(row.id, row.reach) for row in rows]

    async def bodies(self, call_ids: Sequence[int]) -> dict[int, Body]:
        (rows,) = await self._read(ledger_queries.bodies(call_ids))
        return {row.call_id: ledger_queries.as_body(row) for row in rows}

    @abstractmethod
    async def _read(self, *queries: ledger_queries.AnyQuery) -> list[Sequence[ledger_queries.AnyRow]]:
        """The rows of each query, all from one snapshot."""


class StatisticsLookups(Lookups):
    """For a refresh of statistics: what is old are those."""

    async def old_responses(
        self, before: datetime, after_call: int, most: int, parts: str | None = None
    ) -> Sequence[OldResponse]:
        (rows,) = await self._read(ledger_queries.old_statistics(before, after_call, most))
        return [OldResponse(row.id, row.reach) for row in rows]
