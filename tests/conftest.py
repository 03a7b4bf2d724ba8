"""What every test has: a clean environment, simulated APIs and real processes that end with the test."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from children import ForkedSimulator, Program, Simulate, logging_and_signals_as_they_were
from crawl_children import ChildCrawl, PrepareCrawl, prepare
from forks import READ_AT_START
from fresh_ledgers import replay
from postgres_server import the_server
from waiting import LIMIT_SECONDS

from harvester.ledger.sqlite import migrate
from harvester.simulator import SimulatorProcess, SimulatorSettings

migrate.migrate = replay

# Started by nohup, or in the background of a script, a process ignores these, and so would every child of a test.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

OURS = ("HARVESTER_", "YOUTUBE_", "AWS_", "SIMULATOR_")
HOOKS = ("notify-start", "notify-end", "notify-webhook", "report-html", "run-within")
"""The threads of a run's hooks."""
OF_TERMINALS = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "PYTHONWARNINGS")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing from outside: no setting, no key, no account.

    And nothing for Python from another test: Dask sets PYTHONHASHSEED for its workers in its own process too, and a
    program in another environment than this process began in is not forked.
    """
    for name in list(os.environ):
        of_another_test = name.startswith("PYTHON") and name not in READ_AT_START
        if name.startswith(OURS) or name in OF_TERMINALS or of_another_test:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def as_they_were() -> Iterator[None]:
    """The command line sets logging and signals for its process, which here is the tests' own."""
    with logging_and_signals_as_they_were():
        yield
        # Given up by a run in this process, they would log in the middle of another test.
        for thread in threading.enumerate():
            if thread.name in HOOKS:
                thread.join(LIMIT_SECONDS)


@pytest.fixture(autouse=True, scope="session")
def no_server_stays() -> Iterator[None]:
    yield
    if the_server.cache_info().currsize:
        the_server().remove()


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


@pytest.fixture
def ledger_url(request: pytest.FixtureRequest, harvester: Program) -> str:
    """Of a ledger in a file, as `prepare_crawl` makes it; on a server where the test is marked `on_both`."""
    kind = getattr(request, "param", "sqlite")
    if kind != "sqlite":
        server = the_server()
        return server.new_database() if kind == "postgres" else server.url(server.empty_database())
    return f"sqlite:///{harvester.folder / 'harvest.db'}"


@pytest.fixture
def prepare_crawl(harvester: Program, simulate: Simulate, ledger_url: str) -> PrepareCrawl:
    """`prepare_crawl(10_000, concurrency=8, daily_units=990)`: the last are settings of the API, and of both."""

    def make(videos: int, *, concurrency: int = 10, latency_seconds: float = 0.05, **api: Any) -> ChildCrawl:
        simulator = simulate(latency_seconds=latency_seconds, **api)
        return prepare(harvester, simulator, videos, concurrency, ledger_url)

    return make
