"""What every test has: a clean environment, simulated APIs and real processes that end with the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from children import ForkedSimulator, Program, Simulate, logging_and_signals_as_they_were

from harvester.simulator import SimulatorProcess, SimulatorSettings

OURS = ("HARVESTER_", "YOUTUBE_", "AWS_", "SIMULATOR_")
OF_TERMINALS = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "PYTHONWARNINGS")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing from outside: no setting, no key, no account."""
    for name in [name for name in os.environ if name.startswith(OURS) or name in OF_TERMINALS]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def as_they_were() -> Iterator[None]:
    """The command line sets logging and signals for its process, which here is the tests' own."""
    with logging_and_signals_as_they_were():
        yield


@pytest.fixture
def simulate() -> Iterator[Simulate]:
    """Starts simulated APIs: `simulate(daily_units=100).base_url`."""
    with ExitStack() as running:

        def start(**settings: Any) -> SimulatorProcess:
            return running.enter_context(ForkedSimulator(SimulatorSettings(**settings)))

        yield start


@pytest.fixture
def harvester(tmp_path: Path) -> Iterator[Program]:
    """The program in an empty folder: `harvester.run("status")`."""
    folder = tmp_path / "crawl"
    folder.mkdir()
    program = Program(folder)
    yield program
    program.end_all()
