"""Days that are opened again, and units that others spent: what claims may still spend."""

from __future__ import annotations

from ledger_kit import DAY, NOW, Database, a_budget, a_statistics_budget, good, video_ids

from harvester.ledger.ledger import Ledger
from harvester.model import Batch, BatchKind, Denied


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
    reader = database.reader()
    assert reader.findings() == []
    reader.close()


async def test_a_day_that_was_closed_is_open_again(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(100), [], 0)
    assert not await ledger.reopen_day(DAY)
    await ledger.close_day(DAY, NOW)
    assert await ledger.claim(run, a_budget(), NOW) is Denied.DAY_CLOSED
    assert await ledger.reopen_day(DAY)
    assert not await ledger.reopen_day(DAY)
    assert isinstance(await ledger.claim(run, a_budget(), NOW), Batch)


async def test_the_quota_of_the_statistics_has_days_of_its_own(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add(video_ids(100), [], 0)
    for _ in range(2):
        batch = await ledger.claim(run, a_budget(), NOW)
        assert isinstance(batch, Batch)
        await ledger.settle(batch, good(batch), NOW)
    later = NOW.replace(hour=20)

    async def claim(of_call: int) -> Batch | Denied:
        return await ledger.claim_old(run, a_statistics_budget(10), later, of_call, later, BatchKind.STATISTICS)

    await ledger.spend_elsewhere(DAY, 9, "statistics")
    assert isinstance(await claim(1), Batch)
    assert await claim(2) is Denied.BUDGET_SPENT
    await ledger.spend_elsewhere(DAY, 0, "statistics")
    await ledger.close_day(DAY, NOW, "statistics")
    assert await claim(2) is Denied.DAY_CLOSED
    assert not await ledger.reopen_day(DAY)
    assert await ledger.reopen_day(DAY, "statistics")
    assert isinstance(await claim(2), Batch)
    reader = database.reader()
    (day,) = reader.days("statistics")
    assert (day.units, day.calls, day.elsewhere) == (2, 2, 0)
    assert reader.day("statistics", DAY).remaining(10) == 8
    assert [day.units for day in reader.days("default")] == [22]
    reader.close()
