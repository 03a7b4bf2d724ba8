"""Ids that are removed again: only those that no call asked for, and all that counts them stays right."""

from __future__ import annotations

import asyncio

import pytest
from ledger_kit import (
    NOW,
    Database,
    MakeLedger,
    a_batch,
    a_budget,
    a_fault,
    a_run,
    counts,
    good,
    states,
    video_ids,
)

from harvester.changes_between_runs import REMOVED_POSITIONS as POSITIONS
from harvester.changes_between_runs import removable, remove
from harvester.config import isolated_config
from harvester.errors import ConfigError
from harvester.ledger.ledger import Ledger
from harvester.ledger.records import Removal
from harvester.model import EVERYTHING, Batch, Denied, GiveBack, Span, VideoState

PENDING, INVALID = VideoState.PENDING, VideoState.INVALID


def findings(database: Database) -> list[str]:
    reader = database.reader()
    try:
        return reader.findings()
    finally:
        reader.close()


def config_of(database: Database):  # type: ignore[no-untyped-def]
    return isolated_config({"ledger": {"url": database.url}})


async def add(ledger: Ledger, ids: list[str], source: str = "ids.csv") -> int:
    load_id = await ledger.open_load(source, NOW)
    await ledger.add(ids, [text for text in ids if len(text) != 11], 0, load_id, len(ids))
    return load_id


async def test_what_a_call_asked_for_stays(ledger: Ledger, run: int, database: Database) -> None:
    """Whatever became of it: fetched, missing, failed, under way, let go, put back."""
    ids = video_ids(320)
    await add(ledger, ids)
    batches = [await a_batch(ledger, run) for _ in range(6)]
    await ledger.settle(batches[0], good(batches[0], missing=ids[:2]), NOW)
    await ledger.give_back(batches[1], a_fault(), GiveBack.FAIL, NOW)
    await ledger.give_back(batches[2], a_fault(), GiveBack.RELEASE, NOW)
    await ledger.give_back(batches[3], a_fault(), GiveBack.SPLIT, NOW)
    await ledger.give_back(batches[4], a_fault(), GiveBack.FAIL, NOW)
    await ledger.requeue(Span(201, 250), [VideoState.FAILED], None)
    assert await ledger.remove(EVERYTHING, Removal(PENDING)) == {PENDING: 20}
    assert await counts(ledger) == {"pending": 150, "claimed": 50, "fetched": 48, "missing": 2, "failed": 50}
    assert await ledger.find(ids[300:]) == {}
    assert len(await ledger.find(ids)) == 300
    assert findings(database) == []
    # All of them are still asked for.
    await ledger.settle(batches[5], good(batches[5]), NOW)
    while isinstance(batch := await ledger.claim(run, a_budget(100_000), NOW), Batch):
        await ledger.settle(batch, good(batch), NOW)
    assert await counts(ledger) == {"fetched": 248, "missing": 2, "failed": 50}
    assert findings(database) == []


async def test_a_load_goes_and_the_others_stay(ledger: Ledger, run: int, database: Database) -> None:
    ids = video_ids(90)
    first = await add(ledger, [*ids[:40], "bad"])
    second = await add(ledger, [*ids[30:80], "worse", "bad"], "wrong.csv")
    await add(ledger, ids[60:], "third.csv")
    assert await ledger.remove(EVERYTHING, Removal(load_id=second)) == {PENDING: 40, INVALID: 1}
    assert await counts(ledger) == {"pending": 50, "invalid": 1}
    assert [row[4:7] for row in database.dump()["loads"]] == [(41, 1, 0), (41, 1, 41), (10, 0, 0)]
    # Two gaps and the ids on both sides of them: one batch, in load order.
    assert (await a_batch(ledger, run)).ids == (*ids[:40], *ids[80:])
    assert await ledger.remove(EVERYTHING, Removal(load_id=first)) == {INVALID: 1}
    assert findings(database) == []


async def test_the_positions_of_removed_ids_are_given_anew_and_claimed(
    ledger: Ledger, run: int, database: Database
) -> None:
    """Claims that found nothing look from behind the last id, which is one of those that go."""
    await add(ledger, [*video_ids(50), *(f"bad {number}" for number in range(20))])
    batch = await a_batch(ledger, run)
    await ledger.settle(batch, good(batch), NOW)
    assert await ledger.claim(run, a_budget(), NOW) is Denied.NOTHING_PENDING
    assert await ledger.remove(EVERYTHING, Removal(INVALID)) == {INVALID: 20}
    more = video_ids(5, start=50)
    await add(ledger, more)
    assert findings(database) == []
    assert (await a_batch(ledger, run)).positions == (51, 52, 53, 54, 55)
    assert await states(ledger, more) == [VideoState.CLAIMED] * 5


async def test_removed_ids_can_be_loaded_again(ledger: Ledger, run: int, database: Database) -> None:
    ids = video_ids(60)
    await add(ledger, ids)
    await ledger.remove(Span(11, 20), Removal(PENDING))
    addition = await ledger.add(ids, [], 60)
    assert addition.new == 10
    assert len(addition.known) == 50
    assert (await ledger.find(ids[10:20]))[ids[10]].position == 61
    assert (await a_batch(ledger, run)).ids == (*ids[:10], *ids[20:])
    assert findings(database) == []


async def test_it_is_done_in_steps_and_tells_before_what_it_does(database: Database, make_ledger: MakeLedger) -> None:
    ids = video_ids(2 * POSITIONS + 10)
    ledger = make_ledger()
    await add(ledger, ids[: POSITIONS + 5])
    await add(ledger, ["bad", *ids[POSITIONS + 5 :]], "wrong.csv")
    run = await a_run(ledger)
    batch = await a_batch(ledger, run)
    config = config_of(database)
    found = removable(config, Removal(load_id=2))
    assert found.total == POSITIONS + 6
    assert found.load is not None
    assert (found.load.source, found.load.new) == ("wrong.csv", POSITIONS + 6)
    assert await remove(config, Removal(load_id=2)) == found.videos
    assert removable(config, Removal(PENDING)).videos == {PENDING: POSITIONS + 5 - 50}
    await ledger.settle(batch, good(batch), NOW)
    assert findings(database) == []
    with pytest.raises(ConfigError, match="no load 3"):
        removable(config, Removal(load_id=3))


async def test_a_run_beside_it_claims_what_stays(database: Database, make_ledger: MakeLedger) -> None:
    """What it asks for it settles, and nothing is lost or counted twice."""
    await add(make_ledger(), video_ids(12_000))

    async def crawl() -> int:
        ledger = make_ledger()
        run, settled = await a_run(ledger), 0
        while isinstance(batch := await ledger.claim(run, a_budget(1_000_000), NOW), Batch):
            assert await ledger.settle(batch, good(batch), NOW)
            settled += len(batch)
        return settled

    settled, removed = await asyncio.gather(crawl(), remove(config_of(database), Removal(PENDING)))
    assert settled + removed.get(PENDING, 0) == 12_000
    assert await counts(make_ledger()) == ({"fetched": settled} if settled else {})
    assert findings(database) == []
