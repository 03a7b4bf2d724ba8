"""Statistics that are fetched again by themselves: days and calls of their own, and nothing of the crawl's is moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import closing
from datetime import timedelta

import pytest
from ledger_kit import (
    DAY,
    NOW,
    Database,
    a_batch,
    a_body,
    a_budget,
    a_fault,
    a_process,
    a_run,
    good,
    video_ids,
)

from harvester.ledger.protocol import Ledger
from harvester.model import Batch, Denied, GiveBack, Outcome, ProcessIdentity, Stored, Verdict

IDS = video_ids(70)
LATER = NOW + timedelta(days=2)
CUTOFF = LATER - timedelta(days=1)
CRAWL = ("videos", "video_states", "calls", "quota_days", "responses", "prunings")
BUDGET = a_budget(price=1, day=DAY + timedelta(days=2))


@pytest.fixture(autouse=True)
async def crawled(ledger: Ledger, run: int) -> None:
    """Call 1 is good but for two ids, 20 ids are pending."""
    await ledger.add(IDS, [], 0)
    batch = await a_batch(ledger, run)
    await ledger.settle(batch, good(batch, IDS[:2]), NOW)


@pytest.fixture
async def statistics(database: Database, living: set[ProcessIdentity]) -> AsyncIterator[Ledger]:
    ledger = database.statistics_ledger(living.__contains__)
    yield ledger
    await ledger.close()


async def claimed(ledger: Ledger, run_id: int) -> Batch:
    batch = await ledger.claim_old(run_id, BUDGET, LATER, 1, CUTOFF)
    assert isinstance(batch, Batch)
    return batch


def an_answer(ids: Collection[str]) -> Outcome:
    return Outcome(Verdict.GOOD, "ok", 200, body=a_body(ids), found=frozenset(ids))


def findings(database: Database) -> list[str]:
    with closing(database.books()) as books:
        return books.findings()


async def test_they_hang_on_their_response_and_the_crawl_knows_nothing_of_it(
    statistics: Ledger, run: int, database: Database
) -> None:
    before = database.dump()
    assert [old.call_id for old in await statistics.old_responses(CUTOFF, 0, 10)] == [1]
    batch = await claimed(statistics, run)
    assert (batch.ids, batch.replaces, batch.units, batch.attempt) == (tuple(IDS[2:50]), 1, 1, 1)
    assert await statistics.claim_old(run, BUDGET, LATER, 1, CUTOFF) is Denied.NOTHING_PENDING
    assert await statistics.settle(batch, an_answer(IDS[2:40]), LATER)
    assert not await statistics.settle(batch, an_answer(IDS[2:40]), LATER)
    after = database.dump()
    assert {table: after[table] for table in CRAWL} == {table: before[table] for table in CRAWL}
    assert after["statistics_days"] == [("2026-11-25", 10_000, 1, 1, None, 0)]
    with closing(database.books()) as books:
        assert [(each.call_id, each.fetched_at, each.body) for each in books.statistics([1, 2])] == [
            (1, LATER, a_body(IDS[2:40]))
        ]
        assert books.has_statistics()
        assert books.newest_response() == LATER
        assert books.left_for_statistics(BUDGET.day, 10_000) == 9_999
        assert (books.older_statistics(CUTOFF), books.older_statistics(LATER + timedelta(1))) == (
            Stored(),
            Stored(1, 48),
        )
    assert await statistics.old_responses(CUTOFF, 0, 10) == []
    assert findings(database) == []


async def test_newer_ones_take_their_place(statistics: Ledger, run: int, database: Database) -> None:
    await statistics.settle(await claimed(statistics, run), an_answer(IDS[2:40]), NOW)
    await statistics.settle(await claimed(statistics, run), an_answer(IDS[2:50]), LATER)
    with closing(database.books()) as books:
        assert [each.body for each in books.statistics([1])] == [a_body(IDS[2:50])]
    assert findings(database) == []


async def test_units_are_never_more_than_the_day_s(statistics: Ledger, run: int, database: Database) -> None:
    budget = a_budget(limit=2, price=1)
    first = await statistics.claim_old(run, budget, LATER, 1, CUTOFF)
    assert isinstance(first, Batch)
    second = await statistics.retry(run, first, a_fault(), budget, LATER)
    assert isinstance(second, Batch)
    assert (second.attempt, second.ids) == (2, first.ids)
    assert await statistics.retry(run, second, a_fault(), budget, LATER) is Denied.BUDGET_SPENT
    assert await statistics.claim_old(run, budget, LATER, 1, CUTOFF) is Denied.BUDGET_SPENT
    await statistics.close_day(DAY, LATER)
    assert await statistics.claim_old(run, budget, LATER, 1, CUTOFF) is Denied.DAY_CLOSED
    assert await a_batch(statistics, run)  # the crawl's day is another
    with closing(database.books()) as books:
        assert books.left_for_statistics(DAY, 10_000) == 0
    assert findings(database) == []


async def test_what_was_never_sent_costs_nothing(statistics: Ledger, run: int, database: Database) -> None:
    batch = await claimed(statistics, run)
    assert await statistics.give_back(batch, a_fault(sent=False), GiveBack.RELEASE, LATER)
    assert database.dump()["statistics_days"] == [("2026-11-25", 10_000, 0, 1, None, 0)]
    assert findings(database) == []


async def test_the_calls_of_a_dead_run_are_taken_back(
    ledger: Ledger, statistics: Ledger, run: int, living: set[ProcessIdentity], database: Database
) -> None:
    batch = await claimed(statistics, await a_run(statistics, a_process(2)))
    living.discard(a_process(2))
    assert await ledger.recover(a_process(1), LATER) == 1
    assert not await statistics.settle(batch, an_answer(batch.ids), LATER)
    assert (await claimed(statistics, run)).ids == batch.ids
    assert findings(database) == []


@pytest.mark.parametrize("how", ["pruned", "replaced"])
async def test_they_go_with_their_response(
    ledger: Ledger, statistics: Ledger, run: int, database: Database, how: str
) -> None:
    await statistics.settle(await claimed(statistics, run), an_answer(IDS[2:50]), NOW)
    late = await claimed(statistics, run)
    if how == "pruned":
        await ledger.prune([1], CUTOFF, LATER)
    else:
        batch = await ledger.claim_old(run, a_budget(), LATER, 1, CUTOFF)
        assert isinstance(batch, Batch)
        await ledger.settle(batch, good(batch), LATER)
    assert not await statistics.settle(late, an_answer(late.ids), LATER)
    assert database.dump()["statistics"] == []
    assert [row[7:10] for row in database.dump()["statistics_calls"]][1] == ("abandoned", 200, "replaced")
    assert findings(database) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            "UPDATE statistics_days SET units_reserved = 5",
            "2026-11-25 counts 1 calls for statistics and 5 units, but there are 1 of 1.",
        ),
        (
            "UPDATE statistics_calls SET state = 'failed'",
            "The statistics of call 1 came by a call that is failed.",
        ),
        (
            "UPDATE statistics SET body = x'00', stored_bytes = 1",
            "The stored statistics of call 1 cannot be read: it does not match its checksum.",
        ),
        (
            "UPDATE statistics SET item_count = 47",
            "The stored statistics of call 1 are not of the size that was noted.",
        ),
    ],
)
async def test_verify_finds_what_is_not_so(
    statistics: Ledger, run: int, database: Database, damage: str, said: str
) -> None:
    await statistics.settle(await claimed(statistics, run), an_answer(IDS[2:50]), LATER)
    database.damage(damage)
    assert findings(database) == [said]


async def test_verify_finds_an_unexpected_id(statistics: Ledger, run: int, database: Database) -> None:
    await statistics.settle(await claimed(statistics, run), an_answer(IDS[1:50]), LATER)
    assert findings(database) == [f"{IDS[1]} has statistics of call 1, but is not fetched by it."]
