"""The short form of `make soak`, on a ledger of each kind: two days, two deaths at each point."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from deaths import POINTS
from postgres_server import the_server

SCALE = "--seed 3 --videos 6000 --days 2 --kills 14 --daily-units 1100"


@pytest.mark.parametrize(("database", "downs"), [("sqlite", 0), ("postgres", 2)])
def test_days_of_runs_that_are_killed(database: str, downs: int) -> None:
    program = [sys.executable, str(Path(__file__).with_name("soak.py")), "--database", database, "--downs", str(downs)]
    done = subprocess.run([*program, *SCALE.split()], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("kept") == 7
    assert all(point in done.stdout for point in POINTS)
    assert ("the server let down" in done.stdout) == (database == "postgres")


def test_eight_runs_one_killed_each_second_spend_the_day_to_the_unit_and_lose_nothing() -> None:
    """The short form of company.py."""
    url = the_server().new_database()
    program = [sys.executable, str(Path(__file__).with_name("company.py")), "--ledger", url]
    scale = "--seed 3 --runs 8 --seconds 6 --concurrency 2 --latency-ms 200"
    done = subprocess.run([*program, *scale.split()], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("kept") == 7
    assert "5 killed" in done.stdout
