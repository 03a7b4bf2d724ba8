"""The whole crawl, the simulated API included: `python -m benchmarks rehearse`."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.measure import run_process

HARVESTER = Path(sys.executable).with_name("harvester")
VIDEOS = 631_348


def measure(rounds: int) -> list[Figure]:
    """The line of the table. It raises where a promise was broken."""
    seconds = [run_process([HARVESTER, "rehearse", "--videos", str(VIDEOS)]).seconds for _ in range(rounds)]
    return [Figure(f"rehearse --videos {VIDEOS}", seconds, "s", must=90, aim=45)]
