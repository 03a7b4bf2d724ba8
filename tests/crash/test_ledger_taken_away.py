"""The file of a ledger that is moved away, replaced, or goes with its folder under a run: nothing more is paid for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from children import Program, Simulate
from crawl_children import ChildCrawl, prepare
from waiting import LIMIT_SECONDS

from harvester.ledger import open as ledger_open

LANES = 4
UNITS = 11


def move_away(ledger: Path) -> Path:
    return ledger.rename(ledger.with_name("moved.db"))


def replace(ledger: Path) -> Path:
    """A backup is put in its place, say. What was there has another name as well, so that it can be looked at."""
    ledger.with_name("kept.db").hardlink_to(ledger)
    new = ledger.with_name("new.db")
    ledger_open.prepare(f"sqlite:///{new}")
    new.rename(ledger)
    return ledger.with_name("kept.db")


def rename_folder(ledger: Path) -> Path:
    return ledger.parent.rename(ledger.parent.with_name("renamed")) / ledger.name


@pytest.mark.parametrize("take_away", [move_away, replace, rename_folder])
def test_a_run_ends_at_its_next_commit(
    harvester: Program, simulate: Simulate, take_away: Callable[[Path], Path]
) -> None:
    folder = harvester.folder / "ledgers"
    folder.mkdir()
    ledger = folder / "harvest.db"
    crawl = prepare(harvester, simulate(latency_seconds=0.2), 5_000, LANES, f"sqlite:///{ledger}")
    run = crawl.start_and_reach(3 * LANES)
    kept = take_away(ledger)
    seen = crawl.calls
    assert run.wait(LIMIT_SECONDS) == 3
    assert_output(run.stderr)
    # Each lane may have claimed its next batch just before.
    assert seen <= crawl.calls <= seen + LANES
    assert_whole(crawl, kept)
    if ledger.exists():
        assert_untouched(ledger)


def assert_output(stderr: str) -> None:
    assert "The ledger harvest.db was replaced or removed while it was in use." in stderr
    assert "What was committed is in the file that stood there before." in stderr
    assert "Put the right file in its place, then run the command again." in stderr
    assert "Traceback" not in stderr


def assert_whole(crawl: ChildCrawl, kept: Path) -> None:
    """Every call that the API has seen was paid for in the file that was taken away; nothing of it lies in a WAL."""
    alone = kept.rename(kept.with_name("alone.db"))
    with ledger_open.open_reader(f"sqlite:///{alone}") as reader:
        assert reader.findings() == []
    with closing(sqlite3.connect(alone)) as db:
        assert db.execute("SELECT sum(units_reserved) FROM quota_days").fetchone() == (crawl.calls * UNITS,)


def assert_untouched(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM videos").fetchone() == (0,)
