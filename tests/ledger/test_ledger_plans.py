"""How SQLite runs the statements: none that runs once a call, or looks for dead runs, reads more rows than it needs.

Each is explained on a ledger of some thousand rows, as it is and after ANALYZE, which a curious person may have run.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ledger_kit import DAY, NOW, SqliteDatabase, a_batch, a_fault, a_run, good, video_ids

from harvester.ledger import queries, schema
from harvester.ledger.sqlite import statements
from harvester.ledger.sqlite.connection import reading_engine
from harvester.ledger.sqlite.transaction import SqliteTransaction, as_lists, query_of
from harvester.ledger.transactions.claim import Claim, claim_all
from harvester.model import Batch, Budget, GiveBack

PARTIAL = {
    "ix_runs_open": ("OPEN_RUNS",),
    "ix_calls_open": ("OPEN_RUNS", "ABANDON_CALLS"),
    "ix_calls_of_call": ("OLD_RESPONSE", "ABANDON_REFRESHES"),
    "ix_videos_suspect": ("FIRST_SUSPECT_BATCH", "PICK_SUSPECTS"),
}
"""Each partial index, and the statements that it is there for."""

ROWS = "USING INTEGER PRIMARY KEY"
USED = {name: index for index, names in PARTIAL.items() for name in names} | {
    "PICK_PENDING": ROWS,
    "ADVANCE_SCAN_POSITION": "SEARCH video_states USING INTEGER PRIMARY KEY",
    "REWIND_SCAN_POSITION": "SEARCH video_states USING INTEGER PRIMARY KEY",
    "PICK_AMONG": ROWS,
    "CLAIM": ROWS,
    "CLAIM_RANGE": ROWS,
    "RECLAIM": ROWS,
    "SETTLE": ROWS,
    "SETTLE_REST": ROWS,
    "RELEASE": ROWS,
    "SUSPECT": ROWS,
    "COUNT_STATES": "SCAN video_states",
    "OPEN_AMONG": ROWS,
    "CLOSE_GOOD_CALL": ROWS,
    "CLOSE_GOOD_CALLS": ROWS,
    "CLOSE_FAILED_CALL": ROWS,
    "RENEW_LEASE": ROWS,
    "CLOSE_RUN": ROWS,
    "SPENT": "sqlite_autoindex_quota_days_1",
    "COUNT_DAY": "sqlite_autoindex_quota_days_1",
    "NEW_INVALID": ROWS,
    "KNOWN_IDS": "ux_videos_video_id",
    "COUNT_LOAD": ROWS,
    "CLOSE_LOAD": ROWS,
    "REMOVE": ROWS,
    "COUNT_REMOVED": ROWS,
    "REQUEUE": ROWS,
    "PICK_OLD": ROWS,
    "UNFETCH": ROWS,
    "DELETE_RESPONSE": ROWS,
    "FETCHED_BY": ROWS,
    "RENEW": ROWS,
    "REOPEN_DAY": "sqlite_autoindex_quota_days_1",
    "LOCK_RESPONSE": ROWS,
    "READ_AGAIN": "SCAN listings",
    "PICK_LISTING": "SCAN listings",
    "SAME_PLAYLIST": "SCAN listings",
    "FORGET_CHANNELS": "SCAN listings",
    "MOVE_LISTING": ROWS,
    "LISTING": ROWS,
    "SETTLE_LISTING": ROWS,
    "NOTE_CHANNEL": ROWS,
    "REMOVE_LISTING": ROWS,
}
PLAIN_INSERTS = {
    *("OPEN_RUN", "OPEN_CALLS", "STORE_RESPONSE", "INSERT_IDS", "INSERT_TEXTS"),
    *("OPEN_LOAD", "ADD_LISTING", "ENTER_PRUNING", "MARK_PRUNED", "RESERVE_UNITS", "CLOSE_DAY", "SPEND_ELSEWHERE"),
}
# Reads one end of the tree, which the plan calls a search without saying by what.
ENDS = {"LAST_POSITION", "NEXT_RUN_ID"}

SCANS_ROWS = re.compile(r"SCAN (videos|v|calls|responses)\b(?!.* USING (COVERING )?INDEX ix_)|AUTOMATIC")


class Values(dict[str, Any]):
    """A plan asks for every value by name, but not for what it is."""

    def __missing__(self, name: str) -> int:
        return 1


VALUES = Values(
    positions="[1, 2]",
    moves="[[1, 50, 1]]",
    calls="[[1, 200, null]]",
    rows='[[50, 1, 1, 50, "now"]]',
    limit=50,
    ids='["a"]',
    invalid="[]",
    nul="",
    day=str(DAY),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = SqliteDatabase(tmp_path_factory.mktemp("plans"))
    asyncio.run(fill(database))
    return database.path


async def fill(database: SqliteDatabase) -> None:
    ledger = database.ledger(lambda _: True)
    await ledger.add(video_ids(4000), [], 0)
    for _ in range(5):
        run = await a_run(ledger)
        for number in range(12):
            batch = await a_batch(ledger, run)
            if number % 4 == 0:
                await ledger.give_back(batch, a_fault(), GiveBack.SPLIT, NOW)
            elif number % 4 != 3:
                await ledger.settle(batch, good(batch), NOW)
        if run % 2:
            await ledger.close_run(run, NOW, "stopped")
    await ledger.close()


@pytest.fixture(params=["as it is", "after ANALYZE"])
def db(request: pytest.FixtureRequest, path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        if request.param == "after ANALYZE":
            connection.execute("ANALYZE")
        yield connection
        connection.execute("ROLLBACK")


def all_statements() -> dict[str, str]:
    return {name: text for name, text in vars(statements).items() if name.isupper() and not name.startswith("_")}


def plan_of(db: sqlite3.Connection, name: str) -> str:
    values = ("gzip",) * 8 if name == "STORE_RESPONSE" else VALUES
    text = query_of(all_statements()[name].format(moves=SqliteTransaction.moves))
    text = as_lists(text) if name.startswith("PICK_") and name not in {"PICK_OLD", "PICK_LISTING"} else text
    return "\n".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}", values))


@pytest.mark.parametrize("name", all_statements())
def test_no_statement_reads_all_ids_or_all_calls(db: sqlite3.Connection, name: str) -> None:
    plan = plan_of(db, name)
    assert not SCANS_ROWS.search(plan), plan


@pytest.mark.parametrize("name", USED)
def test_each_statement_uses_the_index_that_is_there_for_it(db: sqlite3.Connection, name: str) -> None:
    assert USED[name] in plan_of(db, name)


def test_every_statement_is_accounted_for() -> None:
    assert set(all_statements()) == set(USED) | PLAIN_INSERTS | ENDS


@pytest.mark.parametrize("index", PARTIAL)
def test_each_partial_index_serves_the_statements_named_for_it(path: Path, index: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for name in PARTIAL[index]:
            assert index in plan_of(db, name)


def test_every_partial_index_that_is_no_constraint_is_known_here_and_says_what_it_serves() -> None:
    partial = {
        index.name
        for table in schema.metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None and not index.unique
    }
    assert partial == set(PARTIAL)
    served = re.findall(r"# Serves: .+\n_partial_index\(\s*\"(\w+)\"", inspect.getsource(schema))
    assert set(served) == partial


def test_a_claim_costs_the_same_at_the_end_of_a_crawl_as_at_its_start(path: Path) -> None:
    """The pending ids are found at once, however many before them are settled."""
    with closing(sqlite3.connect(path)) as db:
        steps = [steps_of(db, statements.PICK_PENDING)]
        claims = [Claim(1, Budget(DAY + timedelta(days=1), 10_000, 1), NOW)] * 10
        while all(isinstance(claimed, Batch) for claimed in claim_all(SqliteTransaction(db), claims)):
            steps.append(steps_of(db, statements.PICK_PENDING) if pending(db) else 0)
        db.rollback()
    assert len(steps) > 5
    assert max(steps) <= 2


def pending(db: sqlite3.Connection) -> bool:
    """Whether a whole batch is."""
    row = db.execute("SELECT videos >= 50 FROM video_states WHERE code = 0").fetchone()
    return bool(row[0])


def steps_of(db: sqlite3.Connection, statement: str) -> int:
    """Hundreds of steps of SQLite's machine."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    db.set_progress_handler(step, 500)
    assert len(json.loads(db.execute(query_of(as_lists(statement)), {"limit": 50}).fetchone()[0])) == 50
    db.set_progress_handler(None, 0)
    return steps


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("PENDING", ROWS),
        ("SUSPECTS", "ix_videos_suspect"),
        ("STATES", "SCAN video_states"),
    ],
)
def test_what_status_and_a_dry_run_ask_is_found_at_once(path: Path, name: str, used: str) -> None:
    assert used in reading_plan(path, getattr(queries, name))
    assert "SEARCH quota_days" in reading_plan(path, queries.days("default"))


def test_the_newest_faults_and_what_failed_read_no_more_than_they_need(path: Path) -> None:
    assert "SEARCH calls USING INTEGER PRIMARY KEY (rowid>?)" in reading_plan(path, queries.faults(3, 100))
    plan = reading_plan(path, queries.FAILED)
    assert "SEARCH calls USING INTEGER PRIMARY KEY (rowid=?)" in plan
    assert "TEMP B-TREE" not in plan, "nothing is sorted, so that it can be streamed"


@pytest.mark.parametrize("query", [queries.find(["a", "b"]), queries.bodies([1, 2])])
def test_look_ups_search(path: Path, query: queries.AnyQuery) -> None:
    plan = reading_plan(path, query)
    assert not SCANS_ROWS.search(plan), plan


def test_reading_a_response_searches(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        plan = "\n".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {queries.RESPONSE}", (1,)))
    assert not SCANS_ROWS.search(plan), plan


def reading_plan(path: Path, query: queries.AnyQuery) -> str:
    """As the engine runs it, with its values bound."""
    engine = reading_engine(path)
    compiled = query.compile(engine, compile_kwargs={"render_postcompile": True})
    values = tuple(compiled.params[name] for name in compiled.positiontup or ())
    with engine.connect() as db:
        rows = db.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values).all()
    engine.dispose()
    return "\n".join(row[3] for row in rows)
