"""The parts that calls ask for: noted with each call, counted, and fetched again where they are others now."""

from __future__ import annotations

from datetime import timedelta

from ledger_kit import DAY, NOW, PRICE, Database, a_batch, a_fault, a_run, good, video_ids

from harvester.ledger.ledger import Ledger
from harvester.ledger.records import PartsAsked
from harvester.model import Batch, Budget, Stored

OLD = Budget(DAY, 1_000_000, PRICE, "snippet")
NEW = Budget(DAY, 1_000_000, PRICE, "snippet,statistics")
LATER = NOW + timedelta(hours=1)


async def claimed(ledger: Ledger, run: int, budget: Budget) -> Batch:
    batch = await ledger.claim(run, budget, NOW)
    assert isinstance(batch, Batch)
    return batch


async def test_each_call_notes_its_parts_and_what_is_of_others_is_found(
    ledger: Ledger, run: int, database: Database
) -> None:
    await ledger.add(video_ids(250), [], 0)
    unknown = await a_batch(ledger, run)
    await ledger.settle(unknown, good(unknown), NOW)
    first = await claimed(ledger, run, OLD)
    second = await ledger.retry(run, first, a_fault(), OLD, NOW)
    assert isinstance(second, Batch)
    await ledger.settle(second, good(second), NOW)
    third = await claimed(ledger, run, NEW)
    await ledger.settle(third, good(third), NOW)
    assert [row[13] for row in database.dump()["calls"]] == [None, "snippet", "snippet", "snippet,statistics"]
    reader = database.reader()
    asked = sorted(reader.parts_asked(), key=str)
    assert asked == [PartsAsked("snippet", 1), PartsAsked("snippet,statistics", 1), PartsAsked(None, 1)]
    # What earlier versions asked for is not known, and is left alone.
    assert reader.other_parts("snippet,statistics") == 1
    old = reader.older(LATER, "snippet,statistics")
    assert (old.responses, old.videos) == (1, 50)
    assert reader.calls_to_refresh(LATER, "snippet,statistics") == 1
    reader.close()
    (response,) = await ledger.old_responses(LATER, 0, 10, "snippet,statistics")
    assert response.call_id == second.call_id


async def test_what_is_fetched_again_is_of_other_parts_no_more(ledger: Ledger, database: Database) -> None:
    await ledger.add(video_ids(100), [], 0)
    run = await a_run(ledger)
    for _ in range(2):
        batch = await claimed(ledger, run, OLD)
        await ledger.settle(batch, good(batch), NOW)
    (first, _) = await ledger.old_responses(LATER, 0, 10, "snippet,statistics")
    again = await ledger.claim_old(run, NEW, LATER, first.call_id, LATER)
    assert isinstance(again, Batch)
    assert await ledger.settle(again, good(again), LATER)
    reader = database.reader()
    assert reader.parts_asked() == [PartsAsked("snippet", 1), PartsAsked("snippet,statistics", 1)]
    assert reader.older(LATER + timedelta(hours=1), "snippet") == Stored(1, 50, *_sizes(database, again.call_id))
    assert reader.findings() == []
    reader.close()


def _sizes(database: Database, call_id: int) -> tuple[int, int]:
    return next((row[2], row[3]) for row in database.dump()["responses"] if row[0] == call_id)
