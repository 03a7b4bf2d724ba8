"""The short forms of the soak, on a ledger of each kind, and of company."""

from __future__ import annotations

from pathlib import Path

import pytest
from children import Program
from deaths import POINTS
from postgres_server import the_server
from waiting import LIMIT_SECONDS


def play(module: str, arguments: str, promises: int = 7) -> str:
    """What it says, all promises kept."""
    program = Program(Path(__file__).parent)
    program.module = module
    # It forks, of which later Pythons warn.
    program.env["PYTHONWARNINGS"] = "default"
    done = program.run(*arguments.split(), timeout=2 * LIMIT_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("kept  ") == promises
    return done.stdout


@pytest.mark.parametrize(("database", "downs"), [("sqlite", 0), ("postgres", 2)])
def test_days_of_runs_that_are_killed_at_each_point(database: str, downs: int) -> None:
    scale = "--seed 3 --videos 8000 --days 3 --kills 18 --daily-units 800 --concurrency 4"
    output = play("soak", f"{scale} --database {database} --downs {downs}", promises=11)
    assert "the clock set" in output
    assert "\n0 killed among pages" not in output
    assert all(point in output for point in POINTS)
    assert ("the server let down" in output) == bool(downs)


def test_eight_runs_one_killed_each_second_spend_the_day_to_the_unit_and_lose_nothing() -> None:
    scale = "--seed 3 --runs 8 --seconds 6 --concurrency 2 --latency-ms 200"
    assert "5 killed" in play("company", f"{scale} --ledger {the_server().new_database()}")
