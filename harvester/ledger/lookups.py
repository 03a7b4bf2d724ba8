"""What a ledger is asked beside its writes, whatever the database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from harvester.ledger import reading
from harvester.model import Body, OldResponse, Progress


class Lookups(ABC):
    """See `Ledger` for what each method promises."""

    async def progress(self) -> Progress:
        return reading.as_progress(*await self._read(*reading.PROGRESS))

    async def old_responses(
        self, before: datetime, after_call: int, most: int, parts: str | None = None
    ) -> Sequence[OldResponse]:
        (rows,) = await self._read(reading.old_responses(before, after_call, most, parts))
        return [OldResponse(row.id, row.reach) for row in rows]

    async def bodies(self, call_ids: Sequence[int]) -> dict[int, Body]:
        (rows,) = await self._read(reading.bodies(call_ids))
        return {row.call_id: reading.as_body(row) for row in rows}

    @abstractmethod
    async def _read(self, *queries: reading.AnyQuery) -> list[Sequence[reading.AnyRow]]:
        """The rows of each query, all from one snapshot."""


class StatisticsLookups(Lookups):
    """For a refresh of statistics: what is old are those."""

    async def old_responses(
        self, before: datetime, after_call: int, most: int, parts: str | None = None
    ) -> Sequence[OldResponse]:
        (rows,) = await self._read(reading.old_statistics(before, after_call, most))
        return [OldResponse(row.id, row.reach) for row in rows]
