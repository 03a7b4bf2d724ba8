"""Where a crawl's batches come from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from harvester.crawl.batch_source import ChosenIds
from harvester.model import Budget, Denied

NOW = datetime(2026, 6, 2, 19, tzinfo=UTC)
BUDGET = Budget(date(2026, 6, 2), 100, 11)


class Spent:
    """A ledger whose day is over; it notes what was asked for."""

    def __init__(self, denied: Denied) -> None:
        self._denied = denied
        self.asked: list[Sequence[int]] = []

    async def claim(self, _run: int, _budget: Budget, _now: datetime, among: Sequence[int]) -> Denied:
        self.asked.append(among)
        return self._denied


@pytest.mark.parametrize("denied", [Denied.BUDGET_SPENT, Denied.DAY_CLOSED])
async def test_positions_that_a_day_did_not_pay_for_are_asked_for_on_the_next(denied: Denied) -> None:
    ledger: Any = Spent(denied)
    batches = ChosenIds(ledger, iter([[1, 2], [3]]))
    for _ in range(2):
        assert await batches.claim(1, BUDGET, NOW) is denied
    assert ledger.asked == [[1, 2], [1, 2]]
