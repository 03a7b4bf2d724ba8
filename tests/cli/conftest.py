"""The command line and an API for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from children import ForkedSimulator, Simulate
from command_line import Api, CommandLine

from harvester.simulator import SimulatorProcess


@pytest.fixture(autouse=True)
def forked_simulators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of rehearsals too."""
    monkeypatch.setattr(SimulatorProcess, "_spawn", ForkedSimulator._spawn)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line in an empty folder, away from every proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "crawl"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return CommandLine(folder)


@pytest.fixture
def api(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> Api:
    simulator = simulate()
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", simulator.base_url)
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    return Api(simulator)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, kept from others meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def stopping() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack
