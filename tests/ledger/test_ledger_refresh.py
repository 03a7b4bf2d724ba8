"""Old responses that are fetched again: each stays until the new one takes its place, and the ledger is consistent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from ledger_kit import (
    LEASE,
    NOW,
    Database,
    MakeLedger,
    a_batch,
    a_budget,
    a_fault,
    a_process,
    a_run,
    counts,
    good,
    video_ids,
)

from harvester.ledger.ledger import Ledger
from harvester.model import Batch, Denied, GiveBack, ProcessIdentity, Stored

IDS = video_ids(120)
LATER = NOW + timedelta(days=26)
CUTOFF = LATER - timedelta(days=25)
SETTLED = {"fetched": 98, "missing": 2, "pending": 20}


@pytest.fixture(autouse=True)
async def crawled(ledger: Ledger, run: int) -> None:
    """Call 1 is good but for two ids, call 2 is good and recent, 20 ids are pending."""
    await ledger.add(IDS, [], 0)
    for missing, at in ((IDS[:2], NOW), ((), LATER)):
        batch = await a_batch(ledger, run)
        await ledger.settle(batch, good(batch, missing), at)


async def old_batch(ledger: Ledger, run_id: int, old_call: int = 1, before: datetime = CUTOFF) -> Batch:
    batch = await ledger.claim_old(run_id, a_budget(), LATER, old_call, before)
    assert isinstance(batch, Batch)
    return batch


def findings(database: Database) -> list[str]:
    reader = database.reader()
    try:
        return reader.findings()
    finally:
        reader.close()


def rows(database: Database, table: str) -> list[tuple[Any, ...]]:
    return database.dump()[table]


def refreshes(database: Database) -> list[tuple[int, int]]:
    """The calls whose response is asked for again, and by which call."""
    return [(row[16], row[0]) for row in rows(database, "calls") if row[16] is not None and row[8] == "open"]


def responses(database: Database) -> list[int]:
    """The calls whose response is stored."""
    return [row[0] for row in rows(database, "responses")]


async def test_what_is_asked_for_again_stays_as_it_was(ledger: Ledger, run: int, database: Database) -> None:
    before = database.dump()
    batch = await old_batch(ledger, run)
    assert (batch.ids, batch.of_call, batch.attempt, batch.units) == (tuple(IDS[2:50]), 1, 1, 11)
    assert refreshes(database) == [(1, batch.call_id)]
    for table in ("videos", "video_states", "responses"):
        assert rows(database, table) == before[table]
    assert (await ledger.progress()).days[0].units == 33
    assert findings(database) == []


async def test_a_good_answer_takes_the_place_of_the_old_one(ledger: Ledger, run: int, database: Database) -> None:
    old = rows(database, "responses")[0]
    batch = await old_batch(ledger, run)
    assert await ledger.settle(batch, good(batch, IDS[10:13]), LATER)
    assert responses(database) == [2, batch.call_id]
    assert await counts(ledger) == {"fetched": 95, "missing": 5, "pending": 20}
    calls = {row[1]: row[4] for row in rows(database, "videos")}
    assert {calls[video_id] for video_id in IDS[2:50]} == {batch.call_id}
    assert (calls[IDS[0]], calls[IDS[50]]) == (1, 2)
    assert (await ledger.progress()).pruned == Stored(1, 48, old[2], old[3])
    day = (await ledger.progress()).days[0]
    assert (day.ok, day.fetched, day.missing) == (3, 98, 2)  # what it settled is no more than before
    assert (rows(database, "pruned_responses"), refreshes(database)) == ([(1, 1)], [])
    assert findings(database) == []
    assert not await ledger.settle(batch, good(batch), LATER)


@pytest.mark.parametrize("old_call", [1, 2, 3, 99])
async def test_only_old_ones_that_nobody_asks_for_are_claimed(ledger: Ledger, run: int, old_call: int) -> None:
    await old_batch(ledger, run)
    assert await ledger.claim_old(run, a_budget(), LATER, old_call, CUTOFF) is Denied.NOTHING_PENDING


async def test_one_without_a_video_is_deleted_and_costs_nothing(ledger: Ledger, run: int, database: Database) -> None:
    batch = await a_batch(ledger, run)
    await ledger.settle(batch, good(batch, batch.ids), NOW)
    units = (await ledger.progress()).days[0].units
    assert await ledger.claim_old(run, a_budget(0), LATER, batch.call_id, CUTOFF) is Denied.NOTHING_PENDING
    assert responses(database) == [1, 2]
    assert (await ledger.progress()).days[0].units == units
    assert await counts(ledger) == {"fetched": 98, "missing": 22}
    assert findings(database) == []


async def test_a_day_that_cannot_pay_changes_nothing(ledger: Ledger, run: int, database: Database) -> None:
    before = database.dump()
    assert await ledger.claim_old(run, a_budget(22), LATER, 1, CUTOFF) is Denied.BUDGET_SPENT
    assert database.dump() == before


@pytest.mark.parametrize("how", GiveBack)
async def test_what_is_given_back_stays_as_it_was(ledger: Ledger, run: int, database: Database, how: GiveBack) -> None:
    batch = await old_batch(ledger, run)
    assert await ledger.give_back(batch, a_fault(), how, LATER)
    assert (await counts(ledger), responses(database)) == (SETTLED, [1, 2])
    assert findings(database) == []
    assert not await ledger.settle(batch, good(batch), LATER)
    assert (await old_batch(ledger, run)).ids == batch.ids


async def test_it_is_tried_again_by_a_new_call_until_the_day_is_spent(
    ledger: Ledger, run: int, database: Database
) -> None:
    first = await old_batch(ledger, run)
    second = await ledger.retry(run, first, a_fault(), a_budget(), LATER)
    assert isinstance(second, Batch)
    assert (second.ids, second.attempt, second.asked_before, second.of_call) == (first.ids, 2, 1, 1)
    assert refreshes(database) == [(1, second.call_id)]
    assert findings(database) == []
    assert not await ledger.settle(first, good(first), LATER)
    assert await ledger.retry(run, second, a_fault(), a_budget(0), LATER) is Denied.BUDGET_SPENT
    assert (await counts(ledger), refreshes(database)) == (SETTLED, [])
    assert findings(database) == []


@pytest.mark.parametrize("end", ["dies", "ends"])
async def test_what_a_run_leaves_is_asked_for_by_the_next(
    ledger: Ledger, database: Database, living: set[ProcessIdentity], end: str
) -> None:
    other = await a_run(ledger, a_process(2))
    pending, old = await a_batch(ledger, other), await old_batch(ledger, other)
    looked_from = rows(database, "video_states")[0][4]
    if end == "dies":
        living.discard(a_process(2))
        assert await ledger.recover(a_process(1), LATER) == 2
    else:
        await ledger.close_run(other, LATER, "stopped")
    assert (await counts(ledger), refreshes(database)) == (SETTLED, [])
    assert findings(database) == []
    assert rows(database, "video_states")[0][4] == pending.positions[0] < looked_from
    assert not await ledger.settle(old, good(old), LATER)
    assert (await old_batch(ledger, await a_run(ledger))).ids == old.ids


async def test_pruned_meanwhile_its_answer_comes_too_late(ledger: Ledger, run: int, database: Database) -> None:
    batch = await old_batch(ledger, run)
    assert (await ledger.prune([1, 2], CUTOFF, LATER)).videos == 48
    assert not await ledger.settle(batch, good(batch), LATER)
    assert await ledger.retry(run, batch, a_fault(), a_budget(), LATER) is Denied.CLAIM_LOST
    assert await counts(ledger) == {"fetched": 50, "missing": 2, "pending": 68}
    assert (refreshes(database), (await ledger.progress()).days[0].abandoned) == ([], 1)
    assert findings(database) == []


async def test_a_run_beside_it_claims_and_settles_as_ever(
    make_ledger: MakeLedger, ledger: Ledger, run: int, database: Database
) -> None:
    other = make_ledger()
    batch = await old_batch(other, await a_run(other, a_process(2), LATER + LEASE))
    pending = await a_batch(ledger, run)
    assert pending.ids == tuple(IDS[100:])
    assert await ledger.settle(pending, good(pending), LATER)
    assert await other.settle(batch, good(batch), LATER)
    assert await counts(ledger) == {"fetched": 118, "missing": 2}
    assert findings(database) == []


async def test_verify_finds_one_whose_old_response_is_gone(ledger: Ledger, run: int, database: Database) -> None:
    batch = await old_batch(ledger, run)
    database.damage("UPDATE calls SET of_call = ? WHERE id = ?", (batch.call_id, batch.call_id))
    assert findings(database) == [f"Call {batch.call_id} shall replace the response of call 3, which is not stored."]
    database.damage("UPDATE calls SET of_call = 9 WHERE id = ?", (batch.call_id,))
    assert findings(database)[0] == "Row 3 of calls refers to a row of calls that is not there."
