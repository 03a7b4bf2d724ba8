"""Settling, giving back and asking again; and the fence against late workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from ledger_kit import (
    DAY,
    NOW,
    PRICE,
    Database,
    a_batch,
    a_body,
    a_budget,
    a_fault,
    a_process,
    a_run,
    counts,
    good,
    states,
    video_ids,
)

from harvester.errors import HarvesterError
from harvester.ledger.ledger import Ledger
from harvester.ledger.reader import LedgerReader
from harvester.model import Batch, Denied, GiveBack, QuotaDay, VideoState

LATER = NOW + timedelta(seconds=2)


async def today(ledger: Ledger) -> QuotaDay:
    day = (await ledger.progress()).day(DAY)
    assert day is not None
    return day


async def test_a_good_answer_settles_every_id_of_its_batch(ledger: Ledger, run: int, reader: LedgerReader) -> None:
    ids = video_ids(60)
    await ledger.add(ids, [], 0)
    batch = await a_batch(ledger, run)
    gone = {ids[0], ids[20], ids[49]}
    outcome = good(batch, missing=gone)
    assert await ledger.settle(batch, outcome, LATER)
    expected = [VideoState.MISSING if video_id in gone else VideoState.FETCHED for video_id in batch.ids]
    assert await states(ledger, batch.ids) == expected
    assert await counts(ledger) == {"pending": 10, "fetched": 47, "missing": 3}
    assert await ledger.bodies([batch.call_id]) == {batch.call_id: outcome.body}
    assert reader.findings() == []


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_the_stored_body_is_what_the_api_sent(
    ledger: Ledger, run: int, reader: LedgerReader, encoding: str
) -> None:
    await ledger.add(video_ids(2), [], 0)
    batch = await a_batch(ledger, run)
    body = a_body(batch.ids, encoding=encoding)
    await ledger.settle(batch, replace(good(batch), body=body), LATER)
    (stored,) = reader.responses()
    assert stored.body == body
    assert stored.body.raw() == a_body(batch.ids, encoding="identity").data
    assert (stored.call_id, stored.first_position, stored.fetched_at) == (batch.call_id, 1, LATER)


async def test_a_transaction_that_fails_halfway_leaves_nothing(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add(video_ids(60), [], 0)
    batch = await a_batch(ledger, run)
    outcome = good(batch)
    assert outcome.body is not None
    before = database.dump()
    with pytest.raises(HarvesterError):
        await ledger.settle(batch, replace(outcome, body=outcome.body._replace(sha256=b"too short")), LATER)
    assert database.dump() == before
    assert await ledger.settle(batch, outcome, LATER)


async def test_an_answer_without_any_of_the_ids_makes_all_of_them_missing(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(50), [], 0)
    batch = await a_batch(ledger, run)
    await ledger.settle(batch, good(batch, missing=batch.ids), NOW)
    assert await counts(ledger) == {"missing": 50}


async def test_ids_that_lie_far_apart_are_settled_and_their_neighbours_are_not(
    ledger: Ledger, run: int, reader: LedgerReader
) -> None:
    await ledger.add(video_ids(3000), [], 0)
    scattered = await a_batch(ledger, run, among=[1, 2, 1500, 3000])
    between = await a_batch(ledger, run)
    await ledger.settle(scattered, good(scattered, missing=[scattered.ids[1]]), NOW)
    assert await counts(ledger) == {"pending": 2946, "claimed": 50, "fetched": 3, "missing": 1}
    await ledger.give_back(between, a_fault(), GiveBack.RELEASE, NOW)
    assert reader.findings() == []


ACTIONS: dict[str, tuple[Callable[[Ledger, Batch], Awaitable[object]], dict[str, int]]] = {
    "settle": (lambda ledger, batch: ledger.settle(batch, good(batch), LATER), {"fetched": 50}),
    "retry": (lambda ledger, batch: ledger.retry(1, batch, a_fault(), a_budget(), LATER), {"claimed": 50}),
    "denied": (lambda ledger, batch: ledger.retry(1, batch, a_fault(), a_budget(0), LATER), {"pending": 50}),
} | {
    how.value: (lambda ledger, batch, how=how: ledger.give_back(batch, a_fault(), how, LATER), {left: 50})
    for how, left in [(GiveBack.RELEASE, "pending"), (GiveBack.SPLIT, "pending"), (GiveBack.FAIL, "failed")]
}


@pytest.mark.parametrize("action", ACTIONS)
async def test_what_becomes_of_a_batch_leaves_the_ids_between_its_own_alone(
    ledger: Ledger, run: int, reader: LedgerReader, action: str
) -> None:
    """One call has the odd positions, another the even ones."""
    await ledger.add(video_ids(100), [], 0)
    odd = await a_batch(ledger, run, among=range(1, 101, 2))
    even = await a_batch(ledger, run)
    act, left = ACTIONS[action]
    await act(ledger, odd)
    assert set(await states(ledger, odd.ids)) == {VideoState[name.upper()] for name in left}
    assert {place.call_id for place in (await ledger.find(even.ids)).values()} == {even.call_id}
    assert await ledger.settle(even, good(even), LATER)
    assert await counts(ledger) == left | {"fetched": 50 + left.get("fetched", 0)}
    assert reader.findings() == []


async def test_the_day_adds_up_what_its_calls_did(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(200), [], 0)
    settled, failed, released = [await a_batch(ledger, run) for _ in range(3)]
    outcome = good(settled, missing=settled.ids[:4])
    await ledger.settle(settled, outcome, LATER)
    await ledger.give_back(failed, a_fault(), GiveBack.FAIL, LATER)
    await ledger.give_back(released, a_fault(), GiveBack.RELEASE, LATER)
    await a_batch(ledger, run)
    assert outcome.body is not None
    expected = QuotaDay(DAY, 1_000_000, 4 * PRICE, 4, 1, 2, 0, 46, 4, outcome.body.raw_bytes, len(outcome.body.data))
    assert await today(ledger) == expected


@pytest.mark.parametrize(
    ("how", "left"),
    [
        (GiveBack.RELEASE, {"pending": 50}),
        (GiveBack.SPLIT, {"pending": 50}),
        (GiveBack.FAIL, {"failed": 50}),
    ],
)
async def test_a_batch_given_back_keeps_every_id(
    ledger: Ledger, run: int, database: Database, how: GiveBack, left: dict[str, int]
) -> None:
    await ledger.add(video_ids(50), [], 0)
    batch = await a_batch(ledger, run)
    assert await ledger.give_back(batch, a_fault("timeout"), how, LATER)
    assert await counts(ledger) == left
    (call,) = database.dump()["calls"]
    assert call[8:13] == ("failed", 503, "timeout", "2026-11-23T10:30:00.000000Z", "2026-11-23T10:30:02.000000Z")


@pytest.mark.parametrize("how", GiveBack)
async def test_what_was_never_sent_is_refunded(ledger: Ledger, run: int, reader: LedgerReader, how: GiveBack) -> None:
    await ledger.add(video_ids(100), [], 0)
    sent, unsent = await a_batch(ledger, run), await a_batch(ledger, run)
    await ledger.give_back(sent, a_fault(sent=True), how, NOW)
    assert (await today(ledger)).units == 2 * PRICE
    await ledger.give_back(unsent, a_fault(sent=False), how, NOW)
    assert (await today(ledger)).units == PRICE
    assert reader.findings() == []


async def test_a_refund_can_be_spent_again(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(50), [], 0)
    batch = await ledger.claim(run, a_budget(PRICE), NOW)
    assert isinstance(batch, Batch)
    again = await ledger.retry(run, batch, a_fault(sent=False), a_budget(PRICE), NOW)
    assert isinstance(again, Batch)
    assert await ledger.retry(run, again, a_fault(sent=True), a_budget(PRICE), NOW) is Denied.BUDGET_SPENT


# --- asking again


async def test_a_retry_pays_again_and_moves_the_fence(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add(video_ids(60), [], 0)
    first = await a_batch(ledger, run)
    second = await ledger.retry(run, first, a_fault("timeout"), a_budget(), NOW)
    assert isinstance(second, Batch)
    assert second == replace(first, call_id=second.call_id, attempt=2, asked_before=1)
    assert second.call_id != first.call_id
    assert (await today(ledger)).units == 2 * PRICE
    before = database.dump()
    assert not await ledger.settle(first, good(first), NOW)
    assert database.dump() == before
    assert await ledger.settle(second, good(second), NOW)
    assert await counts(ledger) == {"pending": 10, "fetched": 50}
    assert [call[8] for call in database.dump()["calls"]] == ["failed", "ok"]


async def test_attempts_are_counted_beyond_one_claim(ledger: Ledger, run: int) -> None:
    """An id that is asked for again and again is known by it, in whatever run."""
    await ledger.add(video_ids(50), [], 0)
    batch = await a_batch(ledger, run)
    for attempt in (2, 3):
        again = await ledger.retry(run, batch, a_fault(), a_budget(), NOW)
        assert isinstance(again, Batch)
        assert (again.attempt, again.asked_before) == (attempt, attempt - 1)
        batch = again
    await ledger.give_back(batch, a_fault(), GiveBack.RELEASE, NOW)
    await ledger.add(video_ids(50, start=50), [], 0)
    batch = await a_batch(ledger, run)
    assert (batch.attempt, batch.asked_before) == (1, 3)
    assert (await a_batch(ledger, run)).asked_before == 0


async def test_a_batch_was_asked_for_as_often_as_any_of_its_ids(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(50), [], 0)
    some = await a_batch(ledger, run, among=range(20, 30))
    await ledger.give_back(some, a_fault(), GiveBack.RELEASE, NOW)
    assert (await a_batch(ledger, run)).asked_before == 1


@pytest.mark.parametrize("closed", [False, True])
async def test_a_retry_that_the_day_cannot_pay_gives_the_ids_back(
    ledger: Ledger, run: int, reader: LedgerReader, closed: bool
) -> None:
    await ledger.add(video_ids(60), [], 0)
    batch = await a_batch(ledger, run)
    if closed:
        await ledger.close_day(DAY, NOW)
    denied = await ledger.retry(run, batch, a_fault(), a_budget(2 * PRICE - 1), NOW)
    assert denied is (Denied.DAY_CLOSED if closed else Denied.BUDGET_SPENT)
    assert await counts(ledger) == {"pending": 60}
    day = await today(ledger)
    assert (day.units, day.calls, day.failed) == (PRICE, 1, 1)
    assert reader.findings() == []


async def test_a_retry_on_the_next_day_is_paid_on_that_day(ledger: Ledger, run: int, reader: LedgerReader) -> None:
    await ledger.add(video_ids(50), [], 0)
    batch = await a_batch(ledger, run)
    tomorrow = DAY + timedelta(days=1)
    again = await ledger.retry(run, batch, a_fault(), a_budget(PRICE, day=tomorrow), NOW)
    assert isinstance(again, Batch)
    await ledger.settle(again, good(again), NOW)
    days = {day.day: (day.units, day.failed, day.ok, day.fetched) for day in (await ledger.progress()).days}
    assert days == {DAY: (PRICE, 1, 0, 0), tomorrow: (PRICE, 0, 1, 50)}
    assert reader.findings() == []


# --- looking for the id at fault


async def test_the_halves_of_a_split_batch_are_asked_first_and_apart(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(150), [], 0)
    first, second = await a_batch(ledger, run), await a_batch(ledger, run)
    await ledger.give_back(second, a_fault(), GiveBack.SPLIT, NOW)
    await ledger.give_back(first, a_fault(), GiveBack.RELEASE, NOW)
    batches = [await a_batch(ledger, run) for _ in range(4)]
    expected = [second.positions[:25], second.positions[25:], first.positions, tuple(range(101, 151))]
    assert [batch.positions for batch in batches] == expected


async def test_a_half_stays_apart_through_release_and_retry_and_the_end_of_its_run(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(100), [], 0)
    whole = await a_batch(ledger, run)
    await ledger.give_back(whole, a_fault(), GiveBack.SPLIT, NOW)
    half = await a_batch(ledger, run)
    await ledger.give_back(half, a_fault(), GiveBack.RELEASE, NOW)
    half = await a_batch(ledger, run)
    assert half.positions == whole.positions[:25]
    assert await ledger.retry(run, half, a_fault(), a_budget(0), NOW) is Denied.BUDGET_SPENT
    assert (await a_batch(ledger, run)).positions == whole.positions[:25]
    await ledger.close_run(run, NOW, "stopped")
    other = await a_run(ledger, a_process(2))
    assert (await a_batch(ledger, other)).positions == whole.positions[:25]


async def test_six_halvings_find_the_id_at_fault_and_fetch_the_49_others(
    ledger: Ledger, run: int, reader: LedgerReader, database: Database
) -> None:
    poison = video_ids(50)[31]
    await ledger.add(video_ids(50), [], 0)
    calls = 0
    while isinstance(batch := await ledger.claim(run, a_budget(), NOW), Batch):
        calls += 1
        if poison not in batch.ids:
            await ledger.settle(batch, good(batch), NOW)
        else:
            how = GiveBack.SPLIT if len(batch) > 1 else GiveBack.FAIL
            await ledger.give_back(batch, a_fault("badRequest"), how, NOW)
    assert await counts(ledger) == {"fetched": 49, "failed": 1}
    assert await states(ledger, [poison]) == [VideoState.FAILED]
    assert calls <= 1 + 2 * 6
    # Nobody is a suspect any more: an id that is put back to pending later is asked with all others.
    assert {row[5] for row in database.dump()["videos"]} == {None}
    assert reader.findings() == []


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_the_smallest_batches_split_into_what_there_is(ledger: Ledger, run: int, size: int) -> None:
    await ledger.add(video_ids(size), [], 0)
    await ledger.give_back(await a_batch(ledger, run), a_fault(), GiveBack.SPLIT, NOW)
    assert await counts(ledger) == {"pending": size}
    sizes = [len(await a_batch(ledger, run)) for _ in range(min(size, 2))]
    assert sizes == {1: [1], 2: [1, 1], 3: [2, 1]}[size]


# --- the fence

Late = Callable[[Ledger, Batch], Awaitable[object]]

LATE: dict[str, tuple[Late, object]] = {
    "settle": (lambda ledger, batch: ledger.settle(batch, good(batch), LATER), False),
    "release": (lambda ledger, batch: ledger.give_back(batch, a_fault(), GiveBack.RELEASE, LATER), False),
    "split": (lambda ledger, batch: ledger.give_back(batch, a_fault(sent=False), GiveBack.SPLIT, LATER), False),
    "fail": (lambda ledger, batch: ledger.give_back(batch, a_fault(), GiveBack.FAIL, LATER), False),
    "retry": (lambda ledger, batch: ledger.retry(1, batch, a_fault(), a_budget(), LATER), Denied.CLAIM_LOST),
}


async def lose_to_recovery(ledger: Ledger, run: int, batch: Batch) -> None:
    await ledger.recover(a_process(2, boot="other"), NOW + timedelta(hours=1))


async def lose_to_the_end_of_the_run(ledger: Ledger, run: int, batch: Batch) -> None:
    await ledger.close_run(run, NOW, "stopped")


async def lose_to_an_answer(ledger: Ledger, run: int, batch: Batch) -> None:
    assert await ledger.settle(batch, good(batch), NOW)


async def lose_to_a_retry(ledger: Ledger, run: int, batch: Batch) -> None:
    assert isinstance(await ledger.retry(run, batch, a_fault(), a_budget(), NOW), Batch)


async def lose_to_the_next_owner(ledger: Ledger, run: int, batch: Batch) -> None:
    await ledger.close_run(run, NOW, "stopped")
    assert (await a_batch(ledger, await a_run(ledger, a_process(2)))).ids == batch.ids


LOSSES = (
    lose_to_recovery,
    lose_to_the_end_of_the_run,
    lose_to_an_answer,
    lose_to_a_retry,
    lose_to_the_next_owner,
)


@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize("lose", LOSSES)
async def test_a_late_answer_changes_nothing(
    ledger: Ledger,
    run: int,
    database: Database,
    lose: Callable[[Ledger, int, Batch], Awaitable[None]],
    late: str,
) -> None:
    await ledger.add(video_ids(60), [], 0)
    batch = await a_batch(ledger, run)
    await lose(ledger, run, batch)
    before = database.dump()
    act, refused = LATE[late]
    assert await act(ledger, batch) == refused
    assert database.dump() == before
