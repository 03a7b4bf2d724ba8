"""The short form of `make soak`: three days, two dozen deaths."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_three_days_of_runs_that_are_killed() -> None:
    program = [sys.executable, str(Path(__file__).parent / "soak.py")]
    scale = ["--seed", "3", "--videos", "12000", "--days", "3", "--kills", "24", "--daily-units", "1100"]
    done = subprocess.run([*program, *scale], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("kept") == 7
