"""The command line and an API for it."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from children import ForkedSimulator, Program, Simulate
from command_line import Api, CommandLine

from harvester.simulator import SimulatorProcess, SimulatorSettings, make_ids


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


def use(simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", simulator.base_url)
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    return Api(simulator)


@pytest.fixture
def api(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> Api:
    return use(simulate(), monkeypatch)


@pytest.fixture(scope="session")
def common_simulator() -> Iterator[SimulatorProcess]:
    with ForkedSimulator(SimulatorSettings()) as simulator:
        yield simulator


@pytest.fixture
def common_api(common_simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """One API for all tests that neither count its calls nor choose its answers."""
    use(common_simulator, monkeypatch)


@pytest.fixture(scope="session")
def finished_crawl(tmp_path_factory: pytest.TempPathFactory, common_simulator: SimulatorProcess) -> Path:
    """Settings, source, ledger and export of a crawl of 120 ids that has ended: made once, to be copied."""
    program = Program(tmp_path_factory.mktemp("finished"))
    program.env |= {"HARVESTER_YOUTUBE__BASE_URL": common_simulator.base_url, "YOUTUBE_API_KEY": "any"}
    ids = [f"1,{video_id}" for video_id in make_ids(0, 120)]
    (program.folder / "songs.csv").write_text("\n".join(["user,song", *ids, ""]), encoding="utf-8")
    for words in ("init", "load songs.csv", "run", "export songs.json"):
        done = program.here("-q", *words.split())
        assert done.returncode == 0, done.stderr
    return program.folder


@pytest.fixture
def crawled(cli: CommandLine, finished_crawl: Path) -> CommandLine:
    """The command line in a copy of the crawl that has ended."""
    shutil.copytree(finished_crawl, cli.folder, dirs_exist_ok=True)
    return cli


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
