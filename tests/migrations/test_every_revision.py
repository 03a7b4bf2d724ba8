"""A ledger of every earlier version, in both databases, is brought up to date with all that is in it, and works."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from fresh_ledgers import by_alembic
from old_ledgers import DAY, IDS, REVISIONS, THEN, a_body, make_old_ledger
from postgres_server import for_postgres, the_server
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from harvester.ledger import open as ledger_open
from harvester.ledger.ledger import Ledger
from harvester.ledger.process_identity import this_process
from harvester.ledger.sqlite import migrate
from harvester.ledger.sqlite.connection import writing_engine
from harvester.model import Batch, BatchKind, Body, Budget, Outcome, Verdict, VideoState
from harvester.support.addresses import file_of
from harvester.youtube.endpoints import VIDEOS_BATCH_GET_STATS

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
BUDGET = Budget(date(2026, 11, 23), 1000, 11)
STATISTICS = Budget(BUDGET.day, 1000, 1, None, VIDEOS_BATCH_GET_STATS.name, VIDEOS_BATCH_GET_STATS.bucket)
OLDER = [revision for revision in REVISIONS if revision != REVISIONS[-1]]

Place = tuple[str, Callable[[], Engine]]
"""The address of a ledger, and an engine there."""


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        path = tmp_path / "harvest.db"
        return f"sqlite:///{path}", lambda: writing_engine(path)
    url = the_server().url(the_server().empty_database())
    creator = lambda: psycopg.connect(url)  # noqa: E731
    return url, lambda: create_engine("postgresql+psycopg://", creator=creator, poolclass=NullPool)


@pytest.mark.parametrize("revision", OLDER)
async def test_it_is_upgraded_with_all_that_is_in_it_and_goes_on(
    place: Place, revision: str, tmp_path: Path, new_schema: dict[str, str]
) -> None:
    url, engine = place
    make_old_ledger(opened := engine(), revision, tmp_path / "migrations")
    opened.dispose()
    ledger_open.prepare(url)
    ledger_open.check(url)
    assert differences(engine()) == []
    if file := file_of(url):
        assert schema(file) == new_schema
    with ledger_open.open_reader(url) as reader:
        assert reader.findings() == []
        assert reader.progress().videos == dict(zip(VideoState, (2, 2, 2, 1, 1, 0), strict=True))
        assert [response.body.raw() for response in reader.responses()] == [raw(IDS[:2]), raw([])]
        (day,) = reader.days("default")
        assert (day.units, day.calls, day.elsewhere) == (
            11 * day.calls,
            day.ok + 2 + (revision >= "0004"),
            of(revision),
        )
        if revision >= "0005":
            (day,) = reader.days("statistics")
            assert (str(day.day), day.units, day.calls, day.ok, day.failed, day.elsewhere) == (
                DAY,
                3,
                3,
                1,
                1,
                of(revision),
            )
            assert (day.stored_bytes, day.closed_by_server_at) == (
                len(a_body(IDS[:1])["body"]),
                datetime.fromisoformat(THEN),
            )
            assert [(each.call_id, each.body.raw()) for each in reader.statistics([1])] == [(1, raw(IDS[:1]))]
    async with ledger_open.open_ledger(url) as ledger:
        await go_on(ledger, under_way=1 + (revision >= "0004") + (revision >= "0005"))
    with ledger_open.open_reader(url) as reader:
        assert reader.findings() == []


async def go_on(ledger: Ledger, under_way: int) -> None:
    """Take the dead run's calls back, ask for what is pending, refresh, and fetch statistics."""
    me = this_process()
    run = await ledger.open_run(me, NOW, NOW)
    assert await ledger.recover(me, NOW) == under_way
    batches = [
        await ledger.claim(run, BUDGET, NOW),
        await ledger.claim_old(run, STATISTICS, NOW, 1, NOW, BatchKind.STATISTICS),
    ]
    batches.append(await ledger.claim_old(run, BUDGET, NOW, 1, NOW))
    assert [batch.ids for batch in batches if isinstance(batch, Batch)] == [
        (*IDS[2:4], *IDS[6:]),
        tuple(IDS[:2]),
        tuple(IDS[:2]),
    ]
    for batch in batches:
        assert isinstance(batch, Batch)
        row = a_body(list(batch.ids))
        body = Body(row["body"], "gzip", row["raw_bytes"], row["sha256"], len(batch))
        assert await ledger.settle(batch, Outcome(Verdict.GOOD, "ok", 200, body=body, found=frozenset(batch.ids)), NOW)


def raw(ids: list[str]) -> bytes:
    row = a_body(ids)
    return Body(row["body"], "gzip", row["raw_bytes"], row["sha256"], len(ids)).raw()


def of(revision: str) -> int:
    """The units that others spent."""
    return 5 if revision >= "0006" else 0


def differences(engine: Engine) -> list[object]:
    """Between the tables there and those of the code."""
    try:
        with engine.connect() as connection:
            found: list[object] = compare_metadata(MigrationContext.configure(connection), for_postgres())
            return found
    finally:
        engine.dispose()


@pytest.fixture(scope="module")
def new_schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a ledger in a file that the migrations make today."""
    path = tmp_path_factory.mktemp("new") / "new.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "migrate", by_alembic)
        ledger_open.prepare(f"sqlite:///{path}")
    return schema(path)


def schema(path: Path) -> dict[str, str]:
    """Letter by letter."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: re.sub(r"\s+", " ", text) for name, text in rows}
