"""Claiming: full batches in load order, paid for in the same transaction, within the day's budget."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from ledger_kit import (
    DAY,
    NOW,
    PRICE,
    Database,
    MakeLedger,
    a_batch,
    a_budget,
    a_fault,
    counts,
    good,
    states,
    video_ids,
)

from harvester.ledger.ledger import Ledger
from harvester.model import Batch, Denied, GiveBack, QuotaDay, VideoState


async def spent(ledger: Ledger) -> int:
    day = (await ledger.progress()).day(DAY)
    return day.units if day else 0


async def test_batches_are_full_and_in_load_order(ledger: Ledger, run: int) -> None:
    ids = video_ids(120)
    await ledger.add(ids, [], 0)
    batches = [await a_batch(ledger, run) for _ in range(3)]
    assert [len(batch) for batch in batches] == [50, 50, 20]
    assert [video_id for batch in batches for video_id in batch.ids] == ids
    assert [position for batch in batches for position in batch.positions] == list(range(1, 121))
    assert await ledger.claim(run, a_budget(), NOW) is Denied.NOTHING_PENDING


async def test_a_batch_is_filled_across_ids_that_are_settled_or_invalid(ledger: Ledger, run: int) -> None:
    """The last call of a crawl is the only one that is not full."""
    ids = video_ids(200)
    invalid = ids[60:100:2]
    await ledger.add(ids, invalid, 0)
    first, second = await a_batch(ledger, run), await a_batch(ledger, run)
    await ledger.settle(second, good(second), NOW)
    await ledger.give_back(first, a_fault(), GiveBack.RELEASE, NOW)
    left = [video_id for video_id in ids if video_id not in invalid and video_id not in second.ids]
    again = [await a_batch(ledger, run) for _ in range(3)]
    assert [len(batch) for batch in again] == [50, 50, 30]
    assert [video_id for batch in again for video_id in batch.ids] == left


async def test_what_a_claim_says_is_what_the_ledger_holds(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add(video_ids(3), [], 0)
    batch = await ledger.claim(run, a_budget(), NOW)
    assert batch == Batch(1, DAY, PRICE, 1, (1, 2, 3), tuple(video_ids(3)))
    places = await ledger.find(video_ids(3))
    assert {(place.state, place.call_id) for place in places.values()} == {(VideoState.CLAIMED, 1)}
    (call,) = database.dump()["calls"]
    began = "2026-11-23T10:30:00.000000Z"
    assert call == (
        *(1, run, str(DAY), PRICE, 3, 1, 1, 3, "open", None, None, began, None, None),
        *("default", "videos.list", None, None),
    )


async def test_the_units_are_spent_with_the_claim(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(60), [], 0)
    assert await spent(ledger) == 0
    await a_batch(ledger, run)
    assert await spent(ledger) == PRICE
    await a_batch(ledger, run)
    assert await spent(ledger) == 2 * PRICE
    await ledger.claim(run, a_budget(), NOW)
    assert await spent(ledger) == 2 * PRICE


@pytest.mark.parametrize(("limit", "affordable"), [(0, 0), (10, 0), (11, 1), (32, 2), (33, 3), (34, 3)])
async def test_the_budget_is_never_passed(
    ledger: Ledger, run: int, database: Database, limit: int, affordable: int
) -> None:
    await ledger.add(video_ids(500), [], 0)
    for _ in range(affordable):
        assert isinstance(await ledger.claim(run, a_budget(limit), NOW), Batch)
    before = database.dump()
    assert await ledger.claim(run, a_budget(limit), NOW) is Denied.BUDGET_SPENT
    assert database.dump() == before
    assert await spent(ledger) == affordable * PRICE


@pytest.mark.parametrize("limit", [21, 10, 0])
async def test_a_limit_lowered_in_mid_day_holds_at_once(
    ledger: Ledger, run: int, database: Database, limit: int
) -> None:
    """Also below what is spent already, and below the price of a call."""
    await ledger.add(video_ids(500), [], 0)
    for _ in range(3):
        await ledger.claim(run, a_budget(100), NOW)
    before = database.dump()
    assert await ledger.claim(run, a_budget(limit), NOW) is Denied.BUDGET_SPENT
    assert database.dump() == before
    assert isinstance(await ledger.claim(run, a_budget(100), NOW), Batch)


async def test_a_limit_raised_in_mid_day_holds_at_once(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(500), [], 0)
    await ledger.claim(run, a_budget(PRICE), NOW)
    assert await ledger.claim(run, a_budget(PRICE), NOW) is Denied.BUDGET_SPENT
    assert isinstance(await ledger.claim(run, a_budget(2 * PRICE), NOW), Batch)
    day = (await ledger.progress()).day(DAY)
    assert day is not None
    assert (day.units, day.units_limit) == (2 * PRICE, 2 * PRICE)


async def test_each_day_has_its_own_budget_and_its_own_price(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(500), [], 0)
    tomorrow = DAY + timedelta(days=1)
    assert isinstance(await ledger.claim(run, a_budget(PRICE), NOW), Batch)
    assert await ledger.claim(run, a_budget(PRICE), NOW) is Denied.BUDGET_SPENT
    assert isinstance(await ledger.claim(run, a_budget(3, price=3, day=tomorrow), NOW), Batch)
    days = {day.day: day.units for day in (await ledger.progress()).days}
    assert days == {DAY: PRICE, tomorrow: 3}


async def test_a_day_that_the_server_closed_pays_for_nothing_more(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add(video_ids(500), [], 0)
    await a_batch(ledger, run)
    await ledger.close_day(DAY, NOW)
    before = database.dump()
    assert await ledger.claim(run, a_budget(), NOW) is Denied.DAY_CLOSED
    await ledger.close_day(DAY, NOW + timedelta(hours=1))
    assert database.dump() == before
    assert isinstance(await ledger.claim(run, a_budget(day=DAY + timedelta(days=1)), NOW), Batch)


async def test_a_day_closed_before_its_first_call_stays_closed(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(1), [], 0)
    await ledger.close_day(DAY, NOW)
    assert await ledger.claim(run, a_budget(), NOW) is Denied.DAY_CLOSED
    assert await ledger.claim(run, a_budget(limit=0), NOW) is Denied.DAY_CLOSED
    assert (await ledger.progress()).days == (QuotaDay(DAY, *[0] * 10, closed_by_server_at=NOW),)


async def test_where_nothing_is_pending_nothing_is_paid(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add(["not an id"], ["not an id"], 0)
    before = database.dump()
    assert await ledger.claim(run, a_budget(), NOW) is Denied.NOTHING_PENDING
    after = database.dump()
    # From where claims look is noted; nothing else is.
    assert {name for name in after if after[name] != before[name]} <= {"video_states"}
    assert [row[:4] for row in after["video_states"]] == [row[:4] for row in before["video_states"]]


async def test_among_limits_the_choice_to_those_positions(ledger: Ledger, run: int) -> None:
    """Far apart and near, pending or not."""
    ids = video_ids(3000)
    await ledger.add(ids, [], 0)
    done = await a_batch(ledger, run, among=[5])
    await ledger.settle(done, good(done), NOW)
    batch = await a_batch(ledger, run, among=[2900, 4, 5, 1500, 2, 9999])
    assert batch.positions == (2, 4, 1500, 2900)
    assert batch.ids == (ids[1], ids[3], ids[1499], ids[2899])
    assert await counts(ledger) == {"pending": 2995, "claimed": 4, "fetched": 1}
    assert await ledger.claim(run, a_budget(), NOW, [5, 4]) is Denied.NOTHING_PENDING
    assert await ledger.claim(run, a_budget(), NOW, []) is Denied.NOTHING_PENDING


async def test_among_gives_at_most_fifty(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(200), [], 0)
    assert (await a_batch(ledger, run, among=range(200, 100, -1))).positions == tuple(range(101, 151))


async def test_among_is_not_led_astray_by_a_refused_batch_of_others(ledger: Ledger, run: int) -> None:
    """`fetch_all` asks for its own ids only, whatever a crawl before it left behind."""
    await ledger.add(video_ids(100), [], 0)
    refused = await a_batch(ledger, run)
    await ledger.give_back(refused, a_fault(), GiveBack.SPLIT, NOW)
    assert (await a_batch(ledger, run, among=range(61, 71))).positions == tuple(range(61, 71))


async def test_among_asks_the_halves_of_a_refused_batch_apart(ledger: Ledger, run: int) -> None:
    await ledger.add(video_ids(100), [], 0)
    refused = await a_batch(ledger, run)
    await ledger.give_back(refused, a_fault(), GiveBack.SPLIT, NOW)
    among = [*range(20, 31), 60, 61]
    batches = [await a_batch(ledger, run, among) for _ in range(3)]
    assert [batch.positions for batch in batches] == [tuple(range(20, 26)), tuple(range(26, 31)), (60, 61)]
    rest = [await a_batch(ledger, run) for _ in range(3)]
    assert [batch.positions[0] for batch in rest] == [1, 31, 51]
    assert await counts(ledger) == {"claimed": 100}


async def test_claims_made_at_once_through_two_connections_never_meet(make_ledger: MakeLedger, run: int) -> None:
    one, other = make_ledger(), make_ledger()
    await one.add(video_ids(1000), [], 0)
    claims = [ledger.claim(run, a_budget(15 * PRICE), NOW) for _ in range(10) for ledger in (one, other)]
    results = await asyncio.gather(*claims)
    batches = [result for result in results if isinstance(result, Batch)]
    positions = [position for batch in batches for position in batch.positions]
    assert len(positions) == len(set(positions)) == 15 * 50
    assert results.count(Denied.BUDGET_SPENT) == 5
    assert await spent(one) == 15 * PRICE


async def test_a_claim_whose_caller_went_away_is_whole(ledger: Ledger, run: int) -> None:
    """A cancelled await leaves either a claim with its units, which ends with its run, or nothing at all."""
    await ledger.add(video_ids(50), [], 0)
    claiming = asyncio.create_task(ledger.claim(run, a_budget(), NOW))
    await asyncio.sleep(0)
    claiming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    await ledger.close_run(run, NOW, "stopped")
    assert await states(ledger, video_ids(50)) == [VideoState.PENDING] * 50
    assert await spent(ledger) in (0, PRICE)
