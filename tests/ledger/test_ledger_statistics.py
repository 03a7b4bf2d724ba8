"""Statistics that are fetched again by themselves: a quota of their own, and nothing of the crawl's is moved."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from ledger_kit import (
    DAY,
    NOW,
    Database,
    Dump,
    a_batch,
    a_body,
    a_budget,
    a_fault,
    a_process,
    a_run,
    a_statistics_budget,
    good,
    video_ids,
)

from harvester.changes_between_runs import prune_statistics
from harvester.ledger.ledger import Ledger
from harvester.model import (
    EVERYTHING,
    Batch,
    BatchKind,
    Budget,
    Denied,
    GiveBack,
    Outcome,
    ProcessIdentity,
    Stored,
    Verdict,
)

IDS = video_ids(70)
LATER = NOW + timedelta(days=2)
DAYS = timedelta(days=7)
CUTOFF = LATER - timedelta(days=1)
BUDGET = a_statistics_budget(day=DAY + timedelta(days=2))
STATISTICS = BatchKind.STATISTICS


@pytest.fixture(autouse=True)
async def crawled(ledger: Ledger, run: int) -> None:
    """Call 1 is good but for two ids, 20 ids are pending."""
    await ledger.add(IDS, [], 0)
    batch = await a_batch(ledger, run)
    await ledger.settle(batch, good(batch, IDS[:2]), NOW)


async def claim(ledger: Ledger, run_id: int, budget: Budget = BUDGET) -> Batch | Denied:
    return await ledger.claim_old(run_id, budget, LATER, 1, CUTOFF, STATISTICS)


async def claimed(ledger: Ledger, run_id: int) -> Batch:
    batch = await claim(ledger, run_id)
    assert isinstance(batch, Batch)
    return batch


def rows_of_statistics(database: Database, table: str) -> list[tuple[Any, ...]]:
    """Days and calls of the bucket, or the bodies that its calls brought."""
    dump = database.dump()
    calls = {row[0] for row in dump["calls"] if row[14] == "statistics"}
    column, values = {"quota_days": (13, {"statistics"}), "calls": (0, calls), "responses": (0, calls)}[table]
    return [row for row in dump[table] if row[column] in values]


def of_the_crawl(database: Database) -> Dump:
    """What is in the ledger besides."""
    tables = ("quota_days", "calls", "responses")
    dump, theirs = database.dump(), {table: rows_of_statistics(database, table) for table in tables}
    return {name: [row for row in rows if row not in theirs.get(name, [])] for name, rows in dump.items()}


def an_answer(ids: Collection[str]) -> Outcome:
    return Outcome(Verdict.GOOD, "ok", 200, body=a_body(ids), found=frozenset(ids))


def findings(database: Database) -> list[str]:
    with closing(database.reader()) as reader:
        return reader.findings()


async def test_they_hang_on_their_response_and_the_crawl_knows_nothing_of_it(
    ledger: Ledger, run: int, database: Database
) -> None:
    before = of_the_crawl(database)
    assert [old.call_id for old in await ledger.old_responses(CUTOFF, 0, 10, None, STATISTICS)] == [1]
    batch = await claimed(ledger, run)
    assert (batch.ids, batch.of_call, batch.units, batch.attempt) == (tuple(IDS[2:50]), 1, 1, 1)
    assert await claim(ledger, run) is Denied.NOTHING_PENDING
    assert await ledger.settle(batch, an_answer(IDS[2:40]), LATER)
    assert not await ledger.settle(batch, an_answer(IDS[2:40]), LATER)
    assert of_the_crawl(database) == before
    (day,) = rows_of_statistics(database, "quota_days")
    body = a_body(IDS[2:40])
    sizes = body.raw_bytes, len(body.data)
    assert day[:14] == ("2026-11-25", 10_000, 1, 1, 1, 0, 0, 38, 10, *sizes, None, 0, "statistics")
    with closing(database.reader()) as reader:
        assert [(each.call_id, each.fetched_at, each.body) for each in reader.statistics([1, 2])] == [
            (1, LATER, a_body(IDS[2:40]))
        ]
        assert reader.has_statistics()
        assert reader.newest_response() == LATER
        assert reader.day("statistics", BUDGET.day).remaining(10_000) == 9_999
        assert (reader.older_statistics(CUTOFF), reader.older_statistics(LATER + timedelta(1))) == (
            Stored(),
            Stored(1, 48),
        )
    assert await ledger.old_responses(CUTOFF, 0, 10, None, STATISTICS) == []
    assert findings(database) == []


async def a_history(ledger: Ledger, run_id: int) -> None:
    """Calls 2 and 3 bring statistics of call 1."""
    await ledger.settle(await claimed(ledger, run_id), an_answer(IDS[2:40]), NOW)
    await ledger.settle(await claimed(ledger, run_id), an_answer(IDS[2:50]), LATER)


async def test_newer_ones_are_added_to_those_of_before(ledger: Ledger, run: int, database: Database) -> None:
    await a_history(ledger, run)
    with closing(database.reader()) as reader:
        assert [each.body for each in reader.statistics([1])] == [a_body(IDS[2:50])]
        assert [(each.call_id, each.fetched_at) for each in reader.history()] == [(1, NOW), (2, NOW), (3, LATER)]
        assert (list(reader.response_calls()), reader.history_calls(1, 10), reader.history_calls(1, 1)) == (
            [1],
            [1, 2, 3],
            [1, 3],
        )
        assert (reader.newest_statistics(), reader.history_size()) == (LATER, 2)
    assert findings(database) == []


async def test_only_the_newest_ones_are_inputs_of_an_export(ledger: Ledger, run: int, database: Database) -> None:
    await a_history(ledger, run)
    with closing(database.reader()) as reader:
        before = list(reader.inputs(EVERYTHING))
        assert [row[-1] for row in before] == [a_body(IDS[2:50]).sha256]
    assert await prune_statistics(ledger, LATER) == 1
    with closing(database.reader()) as reader:
        assert list(reader.inputs(EVERYTHING)) == before


async def test_they_are_deleted_for_their_age_but_for_the_newest_of_a_response(
    ledger: Ledger, run: int, database: Database
) -> None:
    await a_history(ledger, run)
    with closing(database.reader()) as reader:
        assert [reader.old_statistics(NOW), reader.old_statistics(LATER), reader.old_statistics(LATER + DAYS)] == [
            0,
            1,
            1,
        ]
    assert await prune_statistics(ledger, LATER + DAYS) == 1
    with closing(database.reader()) as reader:
        assert [each.call_id for each in reader.history()] == [1, 3]
    assert findings(database) == []
    assert await prune_statistics(ledger, LATER + DAYS) == 0
    await ledger.prune([1], LATER, LATER)
    assert await prune_statistics(ledger, LATER) == 0
    assert await prune_statistics(ledger, LATER + DAYS) == 1
    assert rows_of_statistics(database, "responses") == []
    assert findings(database) == []


async def test_units_are_never_more_than_the_day_s(ledger: Ledger, run: int, database: Database) -> None:
    budget = a_statistics_budget(limit=2)
    first = await claim(ledger, run, budget)
    assert isinstance(first, Batch)
    second = await ledger.retry(run, first, a_fault(), budget, LATER)
    assert isinstance(second, Batch)
    assert (second.attempt, second.ids) == (2, first.ids)
    assert await ledger.retry(run, second, a_fault(), budget, LATER) is Denied.BUDGET_SPENT
    assert await claim(ledger, run, budget) is Denied.BUDGET_SPENT
    await ledger.close_day(DAY, LATER, "statistics")
    assert await claim(ledger, run, budget) is Denied.DAY_CLOSED
    assert await a_batch(ledger, run)  # the crawl's day is another
    with closing(database.reader()) as reader:
        assert reader.day("statistics", DAY).remaining(10_000) == 0
    assert findings(database) == []


async def test_what_was_never_sent_costs_nothing(ledger: Ledger, run: int, database: Database) -> None:
    batch = await claimed(ledger, run)
    assert await ledger.give_back(batch, a_fault(sent=False), GiveBack.RELEASE, LATER)
    (day,) = rows_of_statistics(database, "quota_days")
    assert (day[0], day[2:7], day[11:14]) == ("2026-11-25", (0, 1, 0, 1, 0), (None, 0, "statistics"))
    assert findings(database) == []


async def test_the_calls_of_a_dead_run_are_taken_back(
    ledger: Ledger, run: int, living: set[ProcessIdentity], database: Database
) -> None:
    batch = await claimed(ledger, await a_run(ledger, a_process(2)))
    living.discard(a_process(2))
    assert await ledger.recover(a_process(1), LATER) == 1
    assert not await ledger.settle(batch, an_answer(batch.ids), LATER)
    assert (await claimed(ledger, run)).ids == batch.ids
    assert findings(database) == []


@pytest.mark.parametrize("how", ["pruned", "replaced"])
async def test_they_outlive_their_response(ledger: Ledger, run: int, database: Database, how: str) -> None:
    await ledger.settle(await claimed(ledger, run), an_answer(IDS[2:50]), NOW)
    late = await claimed(ledger, run)
    if how == "pruned":
        await ledger.prune([1], CUTOFF, LATER)
    else:
        batch = await ledger.claim_old(run, a_budget(), LATER, 1, CUTOFF)
        assert isinstance(batch, Batch)
        await ledger.settle(batch, good(batch), LATER)
    assert await ledger.settle(late, an_answer(late.ids), LATER)
    assert [row[0] for row in rows_of_statistics(database, "responses")] == [2, 3]
    if how == "replaced":
        with closing(database.reader()) as reader:
            assert reader.history_calls(4, 10) == [2, 3, 4]
    with closing(database.reader()) as reader:
        # None is of the response that replaced theirs, whose own counts are newer.
        assert list(reader.statistics([call_id for _, call_id in next(reader.fetched(EVERYTHING, 1), [("", 0)])])) == []
    assert findings(database) == []
    database.damage("UPDATE videos SET video_id = 'another_one' WHERE position = 10")
    assert f"{IDS[9]} has statistics of call 1, but is not fetched by it." in findings(database)


@pytest.mark.parametrize(
    "damage_and_messages",
    [
        (
            "UPDATE quota_days SET units_reserved = 5 WHERE bucket = 'statistics'",
            "2026-11-25 (statistics) counts 5 units, but its calls add up to 1.",
        ),
        (
            "UPDATE calls SET state = 'failed' WHERE id = 2",
            "2026-11-25 (statistics) counts 1 good call, but its calls add up to 0.",
            "2026-11-25 (statistics) counts 0 failed calls, but its calls add up to 1.",
            "The statistics of call 1 came by a call that is failed.",
        ),
        (
            "UPDATE responses SET body = x'00', stored_bytes = 1 WHERE call_id = 2",
            "The stored statistics of call 1 cannot be read: it does not match its checksum.",
        ),
        (
            "UPDATE responses SET item_count = 47 WHERE call_id = 2",
            "The stored statistics of call 1 are not of the size that was noted.",
        ),
    ],
)
async def test_verify_finds_what_is_not_so(
    ledger: Ledger, run: int, database: Database, damage_and_messages: tuple[str, ...]
) -> None:
    damage, *messages = damage_and_messages
    await ledger.settle(await claimed(ledger, run), an_answer(IDS[2:50]), LATER)
    database.damage(damage)
    assert findings(database) == messages


async def test_verify_finds_an_unexpected_id(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.settle(await claimed(ledger, run), an_answer(IDS[1:50]), LATER)
    assert findings(database) == [f"{IDS[1]} has statistics of call 1, but is not fetched by it."]
