"""Days that are opened again, and units that others spent: what claims may still spend."""

from __future__ import annotations

import pytest
from ledger_kit import DAY, NOW, Database, a_budget, good, video_ids

from harvester.ledger.protocol import Ledger
from harvester.model import Batch, Denied


async def test_what_others_spent_no_claim_spends(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add(video_ids(500), [], 0)
    await ledger.spend_elsewhere(DAY, 60)
    budget = a_budget(limit=100)
    assert [isinstance(await ledger.claim(run, budget, NOW), Batch) for _ in range(4)] == [True] * 3 + [False]
    # It replaces what was entered before.
    await ledger.spend_elsewhere(DAY, 55)
    assert isinstance(await ledger.claim(run, budget, NOW), Batch)
    assert await ledger.claim(run, budget, NOW) is Denied.BUDGET_SPENT
    await ledger.spend_elsewhere(DAY, 1_000)
    assert await ledger.claim(run, budget, NOW) is Denied.BUDGET_SPENT
    (day,) = (await ledger.progress()).days
    assert (day.units, day.calls, day.elsewhere) == (44, 4, 1_000)
    books = database.books()
    assert books.findings() == []
    books.close()


async def test_a_day_that_was_closed_is_open_again(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(100), [], 0)
    assert not await ledger.reopen_day(DAY)
    await ledger.close_day(DAY, NOW)
    assert await ledger.claim(run, a_budget(), NOW) is Denied.DAY_CLOSED
    assert await ledger.reopen_day(DAY)
    assert not await ledger.reopen_day(DAY)
    assert isinstance(await ledger.claim(run, a_budget(), NOW), Batch)


@pytest.fixture
async def statistics(database: Database, ledger: Ledger, run: int):  # type: ignore[no-untyped-def]
    """The face for a refresh of statistics, of two responses."""
    await ledger.add(video_ids(100), [], 0)
    for _ in range(2):
        batch = await ledger.claim(run, a_budget(), NOW)
        assert isinstance(batch, Batch)
        await ledger.settle(batch, good(batch), NOW)
    face = database.statistics_ledger(lambda _: True)
    yield face
    await face.close()


async def test_the_quota_of_the_statistics_has_days_of_its_own(
    statistics: Ledger, ledger: Ledger, run: int, database: Database
) -> None:
    later = NOW.replace(hour=20)
    budget = a_budget(limit=10, price=1)
    await statistics.spend_elsewhere(DAY, 9)
    assert isinstance(await statistics.claim_old(run, budget, later, 1, later), Batch)
    assert await statistics.claim_old(run, budget, later, 2, later) is Denied.BUDGET_SPENT
    await statistics.spend_elsewhere(DAY, 0)
    await statistics.close_day(DAY, NOW)
    assert await statistics.claim_old(run, budget, later, 2, later) is Denied.DAY_CLOSED
    assert not await ledger.reopen_day(DAY)
    assert await statistics.reopen_day(DAY)
    assert isinstance(await statistics.claim_old(run, budget, later, 2, later), Batch)
    books = database.books()
    (day,) = books.statistics_days()
    assert (day.units, day.calls, day.elsewhere) == (2, 2, 0)
    assert books.left_for_statistics(DAY, 10) == 8
    books.close()
