"""The reading side: one snapshot, in load order, streamed, and without a trace."""

from __future__ import annotations

import os
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest
from ledger_kit import (
    DAY,
    NOW,
    Database,
    SqliteDatabase,
    a_batch,
    a_body,
    a_fault,
    a_process,
    a_run,
    counts,
    good,
    video_ids,
)
from sqlalchemy import event

from harvester.ledger.ledger import Ledger
from harvester.ledger.reader import LedgerReader
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.model import EVERYTHING, GiveBack, IdRecord, Progress, RunCalls, Span, VideoState


async def settled(ledger: Ledger, run: int, size: int, *, start: int = 0, among: range | None = None) -> int:
    """Load that many ids, and settle one batch of them; its call."""
    await ledger.add(video_ids(size, start), [], 0)
    batch = await a_batch(ledger, run, among)
    await ledger.settle(batch, good(batch), NOW)
    return batch.call_id


async def test_find_tells_where_ids_stand(ledger: Ledger, run: int) -> None:
    a, b, c = video_ids(3)
    await ledger.add([a, "bad", b], ["bad"], 0)
    batch = await a_batch(ledger, run, among=[3])
    assert await ledger.find([c, b, "bad", a, a]) == {
        a: IdRecord(1, VideoState.PENDING, None),
        "bad": IdRecord(2, VideoState.INVALID, None),
        b: IdRecord(3, VideoState.CLAIMED, batch.call_id),
    }
    assert await ledger.find([]) == {}


async def test_find_takes_more_ids_than_one_query_may_bind(ledger: Ledger) -> None:
    ids = video_ids(1201)
    await ledger.add(ids, [], 0)
    places = await ledger.find(ids)
    assert [places[video_id].position for video_id in ids] == list(range(1, 1202))


async def test_bodies_come_by_call_and_only_those_asked_for(ledger: Ledger, run: int) -> None:
    calls = [await settled(ledger, run, 50, start=50 * number) for number in range(3)]
    bodies = await ledger.bodies([calls[2], calls[0], 999])
    assert bodies == {
        calls[0]: a_body(video_ids(50)),
        calls[2]: a_body(video_ids(50, start=100)),
    }
    assert await ledger.bodies([]) == {}


async def test_progress_is_the_same_from_both_sides(ledger: Ledger, run: int, reader: LedgerReader) -> None:
    await settled(ledger, run, 120)
    await ledger.close_day(DAY + timedelta(days=1), NOW)
    progress = await ledger.progress()
    assert reader.progress() == progress
    assert (progress.total, progress.settled, progress.calls) == (120, 50, 1)
    assert [day.closed_by_server_at for day in progress.days] == [None, NOW]


async def test_progress_is_one_snapshot(ledger: Ledger, run: int, database: Database) -> None:
    """The states and the days are read one after the other; what is committed between them is not seen."""
    await settled(ledger, run, 120)
    assert isinstance(ledger, Ledger)
    runner = ledger._runner
    if not isinstance(runner, SqliteTransactionRunner):
        pytest.skip("looks between two statements of this database's")
    before = await ledger.progress()

    @event.listens_for(runner._reader.sync_engine, "after_cursor_execute")
    def write(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "video_states" in statement:
            database.damage("UPDATE quota_days SET calls = calls + 1")

    assert await ledger.progress() == before
    assert await ledger.progress() != before


async def test_progress_names_every_state_of_an_empty_ledger(ledger: Ledger, reader: LedgerReader) -> None:
    assert await ledger.progress() == reader.progress() == Progress(dict.fromkeys(VideoState, 0), ())


async def test_runs_are_told_their_calls_and_the_first_failed_ids(
    ledger: Ledger, run: int, reader: LedgerReader
) -> None:
    await ledger.add(video_ids(60), [], 0)
    for position in (3, 1, 2):
        await ledger.give_back(await a_batch(ledger, run, among=[position]), a_fault(), GiveBack.FAIL, NOW)
    batch = await a_batch(ledger, run)
    assert reader.calls_of_runs([run, run + 1]) == {run: RunCalls(4, 3 * batch.units + batch.units)}
    assert reader.calls_of_runs([]) == {}
    assert [failed.video_id for failed in reader.failed(2)] == video_ids(2)
    assert len(list(reader.failed())) == 3


async def test_responses_come_in_load_order_whatever_the_order_of_the_calls(
    ledger: Ledger, run: int, reader: LedgerReader
) -> None:
    await ledger.add(video_ids(2000), [], 0)
    starts = [1501, 1, 801, 51, 1951]
    for start in starts:
        batch = await a_batch(ledger, run, among=range(start, start + 50))
        await ledger.settle(batch, good(batch), NOW)
    assert [stored.first_position for stored in reader.responses()] == sorted(starts)
    assert [stored.call_id for stored in reader.responses()] == [2, 4, 3, 1, 5]


async def test_the_ends_of_what_is_fetched_in_a_span(ledger: Ledger, run: int, reader: LedgerReader) -> None:
    await ledger.add(video_ids(200), [], 0)
    for start in (51, 151):
        batch = await a_batch(ledger, run, among=range(start, start + 10))
        await ledger.settle(batch, good(batch), NOW)
    spans = [EVERYTHING, Span(1, 150), Span(55, 155), Span(61, 150), Span(160, 160)]
    assert [reader.fetched_ends(span) for span in spans] == [(51, 160), (51, 60), (55, 155), None, (160, 160)]


async def test_many_responses_come_in_load_order(ledger: Ledger, run: int, reader: LedgerReader) -> None:
    """More of them than are read in one go."""
    await ledger.add(video_ids(60), [], 0)
    for position in reversed(range(1, 61)):
        batch = await a_batch(ledger, run, among=[position])
        await ledger.settle(batch, good(batch), NOW)
    assert [stored.first_position for stored in reader.responses()] == list(range(1, 61))


async def test_responses_come_in_load_order_after_retries_and_splits(
    ledger: Ledger, run: int, reader: LedgerReader
) -> None:
    await ledger.add(video_ids(150), [], 0)
    first, second = await a_batch(ledger, run), await a_batch(ledger, run)
    await ledger.settle(second, good(second), NOW)
    await ledger.give_back(first, a_fault(), GiveBack.SPLIT, NOW)
    halves = [await a_batch(ledger, run) for _ in range(2)]
    for half in reversed(halves):
        await ledger.settle(half, good(half), NOW)
    order = [video_id for stored in reader.responses() for video_id in ids_of(stored.body.raw())]
    assert order == video_ids(100)


def ids_of(raw: bytes) -> list[str]:
    return [part.split(b'"')[0].decode() for part in raw.split(b'"id": "')[1:]]


async def test_responses_are_streamed(ledger: Ledger, run: int, reader: LedgerReader) -> None:
    """Sixteen bodies in memory, not all sixty."""
    size = 100_000
    await ledger.add(video_ids(60), [], 0)
    for position in range(1, 61):
        batch = await a_batch(ledger, run, among=range(position, position + 1))
        body = a_body([*batch.ids, os.urandom(size // 2).hex()], encoding="identity")
        outcome = good(batch)
        await ledger.settle(batch, type(outcome)(outcome.verdict, "ok", 200, body=body, found=outcome.found), NOW)
    tracemalloc.start()
    try:
        assert sum(len(stored.body.data) > size for stored in reader.responses()) == 60
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * size


async def test_pending_ids_come_as_a_run_would_claim_them(ledger: Ledger, run: int, reader: LedgerReader) -> None:
    await ledger.add(video_ids(180), [], 0)
    refused, released = await a_batch(ledger, run), await a_batch(ledger, run)
    await ledger.give_back(released, a_fault(), GiveBack.RELEASE, NOW)
    await ledger.give_back(refused, a_fault(), GiveBack.SPLIT, NOW)
    expected = list(reader.pending(50))
    assert [len(ids) for ids in expected] == [25, 25, 50, 50, 30]
    assert [(await a_batch(ledger, run)).ids for _ in expected] == expected
    with_less = list(reader.pending(20))
    assert [len(ids) for ids in with_less] == [20, 5, 20, 5, 20, 20, 20, 20, 20, 20, 10]
    assert sum(with_less, ()) == sum(expected, ())


async def test_states_come_in_load_order(ledger: Ledger, run: int, database: Database) -> None:
    ids = [*video_ids(55), "bad"]
    await ledger.add(ids, ["bad"], 0)
    batch = await a_batch(ledger, run)
    await ledger.settle(batch, good(batch, missing=[ids[7]]), NOW)
    reader = database.reader()
    assert isinstance(reader, LedgerReader)
    with reader:
        found = list(reader.states())
    expected = [VideoState.FETCHED] * 50 + [VideoState.PENDING] * 5 + [VideoState.INVALID]
    expected[7] = VideoState.MISSING
    assert found == list(zip(ids, expected, strict=True))


async def test_runs_come_newest_first(ledger: Ledger, reader: LedgerReader) -> None:
    runs = [await a_run(ledger, a_process(pid)) for pid in (1, 2, 3)]
    await ledger.close_run(runs[0], NOW, "stopped")
    assert [run.id for run in reader.runs(2)] == [runs[2], runs[1]]


async def test_a_reader_sees_one_snapshot_while_a_writer_goes_on(
    ledger: Ledger, run: int, reader: LedgerReader, database: Database
) -> None:
    await settled(ledger, run, 200)
    before = reader.progress()
    responses = reader.responses()
    pending = reader.pending(50)
    first = next(pending)
    for _ in range(2):
        batch = await a_batch(ledger, run)
        await ledger.settle(batch, good(batch), NOW)
    await ledger.add(video_ids(50, start=500), [], 0)
    assert reader.progress() == before
    assert len(list(responses)) == 1
    assert sum(map(len, pending), len(first)) == 150
    assert reader.findings() == []
    later = database.reader()
    assert (later.progress().total, len(list(later.responses()))) == (250, 3)
    later.close()
    assert await counts(ledger) == {"pending": 100, "fetched": 150}


async def test_reading_changes_no_byte(database: Database) -> None:
    """Beside a writer, and alone; also where the file must not be written."""
    if not isinstance(database, SqliteDatabase):
        pytest.skip("a file's bytes")
    ledger = database.ledger(lambda _: True)
    await settled(ledger, await a_run(ledger), 120)
    files = [database.path, database.path.with_name("harvest.db-wal")]
    assert [file.stat().st_size > 0 for file in files] == [True, True]
    read_all(database, files)
    await ledger.close()
    database.path.chmod(0o400)
    read_all(database, files[:1])


def read_all(database: Database, files: list[Path]) -> None:
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    reader = database.reader()
    assert isinstance(reader, SqliteReader)
    with reader:
        assert reader.progress().total == 120
        assert len(list(reader.responses())) == 1
        assert sum(map(len, reader.pending(50))) == 70
        assert len(list(reader.states())) == 120
        assert len(reader.runs(3)) == 1
        assert reader.findings() == []
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in files] == before
