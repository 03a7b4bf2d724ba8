"""Ids put back to pending, and responses deleted for their age: the ledger is consistent, claims find the ids."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from ledger_kit import NOW, Database, a_batch, a_fault, a_run, counts, good, states, video_ids

from harvester import changes_between_runs
from harvester.ledger.ledger import Ledger
from harvester.model import EVERYTHING, Batch, GiveBack, Span, Stored, VideoState

IDS = video_ids(220)
FAILED, MISSING, FETCHED, PENDING = VideoState.FAILED, VideoState.MISSING, VideoState.FETCHED, VideoState.PENDING
LATER = NOW + timedelta(days=40)


@pytest.fixture(autouse=True)
async def settled(ledger: Ledger, run: int) -> list[Batch]:
    """Call 1 is good but for two ids, 2 and 3 failed for their reasons, 4 is good and later, 20 ids are pending."""
    await ledger.add([*IDS, "bad"], ["bad"], 0)
    batches = [await a_batch(ledger, run) for _ in range(4)]
    await ledger.settle(batches[0], good(batches[0], missing=IDS[:2]), NOW)
    await ledger.give_back(batches[1], a_fault("backendError"), GiveBack.FAIL, NOW)
    await ledger.give_back(batches[2], a_fault("timeout"), GiveBack.FAIL, NOW)
    await ledger.settle(batches[3], good(batches[3]), LATER)
    return batches


def findings(database: Database) -> list[str]:
    reader = database.reader()
    try:
        return reader.findings()
    finally:
        reader.close()


def rows(database: Database, table: str) -> list[tuple[Any, ...]]:
    return database.dump()[table]


# --- put back


@pytest.mark.parametrize(
    ("wanted", "reasons", "moved"),
    [
        ([FAILED], None, {FAILED: 100}),
        ([FAILED], ["timeout"], {FAILED: 50}),
        ([FAILED], ["timeout", "backendError"], {FAILED: 100}),
        ([FAILED], ["nonsense"], {FAILED: 0}),
        ([MISSING], None, {MISSING: 2}),
        ([FAILED, MISSING], None, {FAILED: 100, MISSING: 2}),
    ],
)
async def test_those_that_are_named_are_pending_again(
    ledger: Ledger,
    database: Database,
    wanted: list[VideoState],
    reasons: list[str] | None,
    moved: dict[VideoState, int],
) -> None:
    before = await counts(ledger)
    reader = database.reader()
    assert reader.requeueable(wanted, reasons) == moved  # a dry run says the same
    reader.close()
    assert await ledger.requeue(EVERYTHING, wanted, reasons) == moved
    after = {state.label: before[state.label] - number for state, number in moved.items()}
    after = before | after | {"pending": 20 + sum(moved.values())}
    assert await counts(ledger) == {name: number for name, number in after.items() if number}
    assert findings(database) == []
    assert not any((await ledger.requeue(EVERYTHING, wanted, reasons)).values())


async def test_only_ids_of_the_span_are_moved(ledger: Ledger) -> None:
    assert await ledger.requeue(Span(2, 60), [FAILED, MISSING], None) == {FAILED: 10, MISSING: 1}
    assert await states(ledger, [IDS[0], IDS[1], IDS[59], IDS[60]]) == [MISSING, PENDING, PENDING, FAILED]


async def test_claims_find_them_in_load_order_as_if_never_asked_for(ledger: Ledger, run: int) -> None:
    assert (await a_batch(ledger, run)).ids == tuple(IDS[200:])
    await ledger.requeue(EVERYTHING, [FAILED, MISSING], None)
    batch = await a_batch(ledger, run)
    assert batch.ids == (*IDS[:2], *IDS[50:98])
    assert (batch.attempt, batch.asked_before) == (1, 0)


async def test_a_missing_id_may_be_found(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.requeue(EVERYTHING, [MISSING], None)
    batch = await a_batch(ledger, run)
    await ledger.settle(batch, good(batch), NOW)
    assert await states(ledger, IDS[:2]) == [FETCHED, FETCHED]
    assert findings(database) == []


async def test_one_that_was_a_suspect_is_asked_with_the_others(ledger: Ledger, run: int, database: Database) -> None:
    batch = await a_batch(ledger, run)
    await ledger.give_back(batch, a_fault(), GiveBack.SPLIT, NOW)
    half = await a_batch(ledger, run)
    await ledger.give_back(half, a_fault(), GiveBack.FAIL, NOW)
    await ledger.give_back(await a_batch(ledger, run), a_fault(), GiveBack.FAIL, NOW)
    await ledger.requeue(EVERYTHING, [FAILED], None)
    assert (await a_batch(ledger, run)).positions == tuple(range(51, 101))
    assert findings(database) == []


async def test_the_whole_ledger_is_gone_through_by_chunks(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes_between_runs, "REQUEUED_POSITIONS", 7)
    assert await changes_between_runs.requeue(ledger, [FAILED, MISSING], None) == {FAILED: 100, MISSING: 2}
    assert await counts(ledger) == {"pending": 122, "fetched": 98, "invalid": 1}


# --- pruned


async def test_what_is_older_is_deleted_and_its_videos_are_pending(ledger: Ledger, database: Database) -> None:
    cutoff = NOW + timedelta(seconds=1)
    stored = {row[0]: Stored(1, 48, row[2], row[3]) for row in rows(database, "responses")}
    calls, days = rows(database, "calls"), rows(database, "quota_days")
    reader = database.reader()
    assert reader.older(cutoff) == stored[1]
    reader.close()
    assert await ledger.prune([1, 2, 4], cutoff, LATER) == stored[1]
    assert await counts(ledger) == {"pending": 68, "missing": 2, "failed": 100, "fetched": 50, "invalid": 1}
    assert [row[0] for row in rows(database, "responses")] == [4]
    assert (rows(database, "calls"), rows(database, "quota_days")) == (calls, days)
    at, before = "2027-01-02T10:30:00.000000Z", "2026-11-23T10:30:01.000000Z"
    assert rows(database, "prunings") == [(1, at, before, *stored[1])]
    assert rows(database, "pruned_responses") == [(1, 1)]
    assert (await ledger.progress()).pruned == stored[1]
    assert findings(database) == []


async def test_what_is_as_old_as_that_stays(ledger: Ledger, database: Database) -> None:
    assert await ledger.prune([1, 2, 3, 4], NOW, LATER) == Stored()
    assert rows(database, "prunings") == []


async def test_what_was_pruned_is_fetched_again_and_pruned_again(ledger: Ledger, run: int, database: Database) -> None:
    """A call's response is deleted once; missing ids of it may be requeued before or after."""
    await ledger.prune([1], LATER, LATER)
    await ledger.requeue(EVERYTHING, [MISSING], None)
    batch = await a_batch(ledger, run)
    assert batch.ids == tuple(IDS[:50])
    await ledger.settle(batch, good(batch), LATER)
    assert findings(database) == []
    assert await changes_between_runs.prune(ledger, LATER + timedelta(days=1), LATER) != Stored()
    assert [row[0] for row in rows(database, "pruned_responses")] == [1, 4, 5]
    assert await counts(ledger) == {"pending": 120, "failed": 100, "invalid": 1}
    assert findings(database) == []


async def test_a_call_under_way_settles_beside_it(ledger: Ledger, run: int, database: Database) -> None:
    held = await a_batch(ledger, run)
    await ledger.prune([1, 4], LATER + timedelta(1), LATER)
    assert await ledger.settle(held, good(held), LATER)
    assert await counts(ledger) == {"pending": 98, "missing": 2, "failed": 100, "fetched": 20, "invalid": 1}
    assert findings(database) == []


async def test_old_responses_come_by_call_with_the_rows_that_their_ids_lie_among(ledger: Ledger, run: int) -> None:
    end = LATER + timedelta(days=1)
    assert await ledger.old_responses(LATER, 0, 10) == [(1, 50)]
    assert await ledger.old_responses(end, 0, 10) == [(1, 50), (4, 50)]
    assert await ledger.old_responses(end, 1, 10) == [(4, 50)]
    assert await ledger.old_responses(end, 0, 1) == [(1, 50)]
    among = await a_batch(ledger, run, [201, 220])
    await ledger.settle(among, good(among), LATER)
    assert await ledger.old_responses(end, 4, 10) == [(5, 20)]


async def test_a_transaction_takes_no_more_than_it_can_reach(
    ledger: Ledger, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_between_runs, "MAX_ROWS_SCANNED", 99)
    assert (await changes_between_runs.prune(ledger, LATER + timedelta(days=1), LATER)).responses == 2
    assert [row[3] for row in rows(database, "prunings")] == [1, 1]


@pytest.mark.parametrize(
    ("damage", "messages"),
    [
        (
            "DELETE FROM pruned_responses",
            [
                "Pruning 1 counts 1 response, but 0 are marked.",
                "Call 1 was answered, but its response is not stored.",
            ],
        ),
        ("INSERT INTO pruned_responses VALUES (4, 1)", None),
        (
            "UPDATE videos SET state = 2 WHERE position = 3",
            [
                "68 ids are counted as pending, but 67 are.",
                "50 ids are counted as fetched, but 51 are.",
                "1 id is fetched by call 1, which has no stored response.",
            ],
        ),
    ],
)
async def test_verify_finds_what_was_not_deleted_by_the_rules(
    ledger: Ledger, database: Database, damage: str, messages: list[str] | None
) -> None:
    await ledger.prune([1], LATER, LATER)
    database.damage(damage)
    expected = messages or [
        "The response of call 4 is marked as deleted, but it is stored.",
        "Pruning 1 counts 1 response, but 2 are marked.",
    ]
    assert findings(database) == expected


async def test_two_at_once_delete_a_response_once(ledger: Ledger, run: int, database: Database) -> None:
    await a_run(ledger)
    end = LATER + timedelta(days=1)
    pruned = [await ledger.prune([1, 4], end, LATER), await ledger.prune([1, 4], end, LATER)]
    assert [each.responses for each in pruned] == [2, 0]
    assert findings(database) == []
