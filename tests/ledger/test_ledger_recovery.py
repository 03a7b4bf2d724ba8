"""Runs that end and runs that die: what they held is pending again, at once or after the lease."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

import pytest
from ledger_kit import (
    DAY,
    LEASE,
    NOW,
    PRICE,
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
from harvester.ledger.postgres import connection
from harvester.ledger.reader import LedgerReader
from harvester.model import Batch, GiveBack, ProcessIdentity, RunRecord
from harvester.report.next_steps import under_way

ME = a_process(2)
LATER = NOW + timedelta(seconds=1)
AFTER_LEASE = NOW + LEASE + timedelta(seconds=1)
TWO_DAYS = timedelta(days=2)


async def test_closing_a_run_gives_back_all_it_holds(ledger: Ledger, run: int, reader: LedgerReader) -> None:
    await ledger.add(video_ids(200), [], 0)
    settled, *held = [await a_batch(ledger, run) for _ in range(3)]
    await ledger.settle(settled, good(settled), NOW)
    other = await a_run(ledger, ME)
    await a_batch(ledger, other)
    await ledger.close_run(run, LATER, "stopped")
    assert await counts(ledger) == {"pending": 100, "claimed": 50, "fetched": 50}
    day = (await ledger.progress()).day(DAY)
    assert day is not None
    assert (day.units, day.calls, day.ok, day.abandoned) == (4 * PRICE, 4, 1, 2)
    assert reader.runs(1)[0].ended_at is None
    assert reader.runs(2)[1] == RunRecord(run, "here", 1, NOW, NOW + LEASE, LATER, "stopped")
    assert reader.findings() == []
    assert [(await a_batch(ledger, other)).positions for _ in held] == [batch.positions for batch in held]


async def test_a_run_that_is_at_work_is_told_however_many_came_after_it(
    ledger: Ledger, run: int, reader: LedgerReader
) -> None:
    later = [await a_run(ledger, ME) for _ in range(3)]
    for number in later:
        await ledger.close_run(number, LATER, "stopped")
    assert [record.id for record in reader.runs(2)] == [later[2], later[1], run]


async def test_closing_a_run_twice_changes_nothing(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.close_run(run, NOW, "stopped")
    before = database.dump()
    await ledger.close_run(run, LATER, "again")
    assert database.dump() == before


async def test_a_dead_process_of_this_host_is_recovered_at_once(
    ledger: Ledger, run: int, living: set[ProcessIdentity], reader: LedgerReader
) -> None:
    await ledger.add(video_ids(200), [], 0)
    for _ in range(3):
        await a_batch(ledger, run)
    living.remove(a_process(1))
    assert await ledger.recover(ME, NOW) == 3
    assert await counts(ledger) == {"pending": 200}
    day = (await ledger.progress()).day(DAY)
    assert day is not None
    assert (day.units, day.abandoned) == (3 * PRICE, 3)
    (record,) = reader.runs(5)
    assert (record.ended_at, record.reason) == (NOW, "died")
    assert reader.findings() == []


async def test_a_living_process_of_this_host_keeps_its_claims_however_old_its_lease(
    ledger: Ledger, run: int, database: Database
) -> None:
    await ledger.add(video_ids(50), [], 0)
    await a_batch(ledger, run)
    before = database.dump()
    assert await ledger.recover(ME, NOW + timedelta(days=30)) == 0
    assert database.dump() == before


async def test_a_pid_that_another_process_has_now_is_a_dead_process(
    ledger: Ledger, run: int, living: set[ProcessIdentity]
) -> None:
    await ledger.add(video_ids(50), [], 0)
    await a_batch(ledger, run)
    living.remove(a_process(1))
    living.add(a_process(1, started="200"))
    assert await ledger.recover(ME, NOW) == 1


@pytest.mark.parametrize("owner", [a_process(1, host="elsewhere"), a_process(1, boot="before")])
async def test_a_process_that_cannot_be_seen_keeps_its_claims_until_its_lease_is_over(
    ledger: Ledger, database: Database, owner: ProcessIdentity
) -> None:
    """Also where a process with just its pid lives, or none does, on this host."""
    await ledger.add(video_ids(100), [], 0)
    await a_batch(ledger, await a_run(ledger, owner))
    before = database.dump()
    assert await ledger.recover(ME, NOW + LEASE) == 0
    assert database.dump() == before
    assert await ledger.recover(ME, AFTER_LEASE) == 1
    assert await counts(ledger) == {"pending": 100}


async def test_a_lease_that_is_renewed_holds(ledger: Ledger) -> None:
    await ledger.add(video_ids(100), [], 0)
    run = await a_run(ledger, a_process(host="elsewhere"))
    await a_batch(ledger, run)
    await ledger.renew_lease(run, NOW + 2 * LEASE)
    assert await ledger.recover(ME, AFTER_LEASE) == 0
    assert await ledger.recover(ME, NOW + 2 * LEASE + timedelta(seconds=1)) == 1


class TwoDaysAhead(datetime):
    """The clock of a host."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + TWO_DAYS


async def test_a_host_whose_clock_is_days_ahead_holds_its_claims_no_longer_than_others(
    ledger: Ledger, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a file its lease is no honest one; a server has a clock that all hosts go by."""
    on_a_server = database.url.startswith("postgresql")
    await ledger.add(video_ids(100), [], 0)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(connection, "datetime", TwoDaysAhead)
        run = await a_run(ledger, a_process(host="elsewhere"), NOW + TWO_DAYS)
        await ledger.renew_lease(run, NOW + TWO_DAYS + LEASE)
        if on_a_server:
            await a_batch(ledger, await a_run(ledger, a_process(host="third"), NOW + TWO_DAYS))
            # Nor does it take the claims of one that lives.
            assert await ledger.recover(a_process(3, host="fourth"), NOW + TWO_DAYS) == 0
    await a_batch(ledger, run)
    assert await ledger.recover(ME, NOW) == (0 if on_a_server else 1)
    await ledger.recover(ME, AFTER_LEASE)
    assert await counts(ledger) == {"pending": 100}


@pytest.mark.parametrize("ahead", [-3_600, 0, 3_600])
def test_an_answer_that_takes_long_moves_no_clock(ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([NOW, NOW + timedelta(seconds=20)])

    class Times(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return next(times)

    monkeypatch.setattr(connection, "datetime", Times)
    servers = NOW + timedelta(seconds=10 + ahead)
    assert abs(connection.clock_lead(lambda: servers).total_seconds() - ahead) <= 10 * bool(ahead)


async def test_a_run_of_another_clock_is_shown_as_under_way(
    ledger: Ledger, reader: LedgerReader, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server. In a file its lease is over by the clock of this host, the only one that is known here."""
    run = await a_run(ledger, a_process(host="elsewhere"), NOW)
    await ledger.renew_lease(run, NOW + LEASE)
    if database.url.startswith("postgresql"):
        monkeypatch.setattr(connection, "datetime", TwoDaysAhead)
        assert under_way(reader.runs(1)[0], NOW + TWO_DAYS)
        assert not under_way(reader.runs(1)[0], NOW + TWO_DAYS + 2 * LEASE)
    else:
        assert not under_way(reader.runs(1)[0], NOW + TWO_DAYS)


async def test_recovery_is_done_once(
    ledger: Ledger, run: int, living: set[ProcessIdentity], database: Database
) -> None:
    await ledger.add(video_ids(100), [], 0)
    await a_batch(ledger, run)
    living.remove(a_process(1))
    assert await ledger.recover(ME, NOW) == 1
    before = database.dump()
    assert await ledger.recover(a_process(3), LATER) == 0
    assert database.dump() == before


async def test_recovery_leaves_settled_ids_and_other_runs_alone(
    ledger: Ledger, run: int, living: set[ProcessIdentity], reader: LedgerReader
) -> None:
    await ledger.add(video_ids(200), [], 0)
    settled, refused, _held = [await a_batch(ledger, run) for _ in range(3)]
    await ledger.settle(settled, good(settled, missing=settled.ids[:2]), NOW)
    await ledger.give_back(refused, a_fault(), GiveBack.SPLIT, NOW)
    mine = await a_batch(ledger, await a_run(ledger, ME))
    assert mine.positions == refused.positions[:25]
    living.remove(a_process(1))
    assert await ledger.recover(ME, NOW) == 1
    assert await counts(ledger) == {"pending": 125, "claimed": 25, "fetched": 48, "missing": 2}
    assert reader.findings() == []


async def test_recovery_releases_ids_that_lie_far_apart_and_only_those(
    ledger: Ledger, run: int, living: set[ProcessIdentity], reader: LedgerReader
) -> None:
    await ledger.add(video_ids(3000), [], 0)
    await a_batch(ledger, run, among=[1, 1500, 3000])
    mine = await a_batch(ledger, await a_run(ledger, ME))
    living.remove(a_process(1))
    assert await ledger.recover(ME, NOW) == 1
    assert await counts(ledger) == {"pending": 2950, "claimed": 50}
    assert await ledger.settle(mine, good(mine), NOW)
    assert reader.findings() == []


async def test_a_run_that_was_taken_for_dead_and_then_dies_leaves_nothing_claimed(
    ledger: Ledger, reader: LedgerReader
) -> None:
    """A machine that slept through its lease still claims when it wakes; its end must not strand those ids."""
    await ledger.add(video_ids(100), [], 0)
    sleeper = await a_run(ledger, a_process(host="elsewhere"))
    lost = await a_batch(ledger, sleeper)
    assert await ledger.recover(ME, AFTER_LEASE) == 1
    assert not await ledger.settle(lost, good(lost), AFTER_LEASE)
    await a_batch(ledger, sleeper)
    assert await ledger.recover(ME, AFTER_LEASE + timedelta(days=1)) == 1
    assert await counts(ledger) == {"pending": 100}
    assert reader.findings() == []


async def test_a_run_that_was_taken_for_dead_lives_again_when_it_renews_its_lease(
    ledger: Ledger, reader: LedgerReader
) -> None:
    await ledger.add(video_ids(100), [], 0)
    sleeper = await a_run(ledger, a_process(host="elsewhere"))
    assert await ledger.recover(ME, AFTER_LEASE) == 0
    await ledger.renew_lease(sleeper, AFTER_LEASE + LEASE)
    batch = await a_batch(ledger, sleeper)
    assert await ledger.recover(ME, AFTER_LEASE + timedelta(seconds=1)) == 0
    assert await ledger.settle(batch, good(batch), AFTER_LEASE)
    assert reader.runs(1)[0].ended_at is None


async def test_two_processes_that_recover_at_once_share_the_work(
    make_ledger: MakeLedger, run: int, living: set[ProcessIdentity]
) -> None:
    one, other = make_ledger(), make_ledger()
    await one.add(video_ids(500), [], 0)
    for _ in range(4):
        assert isinstance(await one.claim(run, a_budget(), NOW), Batch)
    living.remove(a_process(1))
    assert await one.recover(ME, NOW) + await other.recover(a_process(3), NOW) == 4
    assert await counts(one) == {"pending": 500}
