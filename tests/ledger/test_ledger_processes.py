"""Real processes at one ledger, and what is left when they are killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import forks
import ledger_program
import pytest
from ledger_kit import DAY, NOW, PRICE, Database, SqliteDatabase, counts, video_ids
from waiting import LIMIT_SECONDS

from harvester.ledger.ledger import Ledger
from harvester.ledger.open import open_ledger
from harvester.ledger.process_identity import this_process
from harvester.loader import load

PROGRAM = Path(__file__).with_name("ledger_program.py")
Start = Callable[..., forks.ForkedProcess]


@pytest.fixture
def start(database: Database, tmp_path: Path) -> Iterator[Start]:
    """Starts the program in a role; what still runs at the end is killed."""
    env = os.environ | {"PYTHONWARNINGS": "error"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with ExitStack() as opened:

        def begin(role: str, *arguments: object) -> forks.ForkedProcess:
            line = (role, database.url, *map(str, arguments))
            child = forks.start(PROGRAM, line, folder=tmp_path, env=env, **pipes)
            assert isinstance(child, forks.ForkedProcess)
            opened.enter_context(child.stdin)  # type: ignore[arg-type]
            opened.enter_context(child.stdout)  # type: ignore[arg-type]
            opened.callback(kill, child)
            return child

        yield begin


@pytest.fixture
async def ledger(database: Database) -> Ledger:
    """This process's own, which sees who lives and who does not."""
    async with open_ledger(database.url) as opened:
        yield opened  # type: ignore[misc]


def next_line(child: forks.ForkedProcess) -> str:
    assert child.stdout is not None
    return child.stdout.readline().decode().strip()


def kill(child: forks.ForkedProcess) -> None:
    """kill -9, and reaped."""
    child.kill()
    child.wait(LIMIT_SECONDS)


def findings(database: Database) -> list[str]:
    with closing(database.reader()) as reader:
        return reader.findings()


# On a server, tests/soak/company.py has them.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_eight_processes_claim_nothing_twice_and_spend_to_the_unit(
    database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    affordable = 110
    await ledger.add(video_ids(6000), [], 0)
    arguments = ("crawl", database.url, str(affordable * PRICE + PRICE - 1))
    env = os.environ | {"PYTHONWARNINGS": "error"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with ExitStack() as opened:
        children = [forks.start(PROGRAM, arguments, folder=tmp_path, env=env, **pipes) for _ in range(8)]
        for child in children:
            assert child.stdin is not None
            assert child.stdout is not None
            opened.callback(child.kill)
            opened.enter_context(child.stdin)
            opened.enter_context(child.stdout)
        assert [child.stdout.readline() for child in children] == [b"ready\n"] * 8  # type: ignore[union-attr]
        for child in children:
            child.stdin.write(b"go\n")  # type: ignore[union-attr]
        results = [child.stdout.read() for child in children]  # type: ignore[union-attr]
    claimed = [video_id for result in results for video_id in json.loads(result)]
    assert len(claimed) == affordable * 50
    assert sorted(claimed) == video_ids(affordable * 50)
    day = (await ledger.progress()).day(DAY)
    assert day is not None
    assert (day.units, day.calls, day.ok) == (affordable * PRICE, affordable, affordable)
    assert await counts(ledger) == {"pending": 500, "fetched": affordable * 49, "missing": affordable}
    assert findings(database) == []


async def test_the_claims_of_a_killed_process_are_taken_back_at_once(
    database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    """Not reaped: a zombie, as it is when its parent does not look. So it is a child of this process."""
    await ledger.add(video_ids(200), [], 0)
    line = [sys.executable, "-W", "error", str(PROGRAM), "hold", database.url, "3"]
    with (
        subprocess.Popen(line, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child,
        ExitStack() as end,
    ):
        end.callback(child.kill)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        assert await ledger.recover(this_process(), NOW) == 0
        os.kill(child.pid, signal.SIGSTOP)
        assert await ledger.recover(this_process(), NOW) == 0
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert await ledger.recover(this_process(), NOW) == 3
    assert await counts(ledger) == {"pending": 200}
    assert findings(database) == []


async def test_a_process_that_is_killed_and_reaped_is_dead_too(ledger: Ledger, start: Start) -> None:
    await ledger.add(video_ids(50), [], 0)
    child = start("hold", 1)
    assert next_line(child) == "ready"
    kill(child)
    assert await ledger.recover(this_process(), NOW) == 1


async def test_a_load_that_was_killed_and_repeated_is_as_if_uncut(
    database: Database, ledger: Ledger, start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for chunks in (20, 70):
        child = start("load")
        for _ in range(chunks):
            next_line(child)
        kill(child)
        assert findings(database) == []
    # A server may still be at what a killed process had asked of it last: that is waited for.
    await ledger.add([], [], 0)
    cut_at = await ledger.last_position()
    assert 0 < cut_at < ledger_program.LOADED
    repeated = await load(ledger, ledger_program.chunks())
    distinct = list(dict.fromkeys(ledger_program.loaded_ids()))
    assert (repeated.distinct, repeated.already_there) == (len(distinct), cut_at)
    uncut = SqliteDatabase(tmp_path_factory.mktemp("uncut"))
    async with open_ledger(uncut.url) as other:
        await load(other, ledger_program.chunks())
    for table in ("videos", "video_states"):
        assert database.dump()[table] == uncut.dump()[table]
    assert findings(database) == []
    assert [row[1] for row in uncut.dump()["videos"]] == distinct


async def test_killed_in_mid_commit_the_ledger_is_consistent_and_what_was_settled_stays(
    database: Database, start: Start
) -> None:
    rng = random.Random(5)
    settled: set[int] = set()
    for kills in range(4):
        child = start("churn", kills)
        lines = [next_line(child) for _ in range(rng.randint(1, 25))]
        kill(child)
        # A line that the kill cut has no end, and is not a call.
        assert child.stdout is not None
        lines += [line.decode().strip() for line in child.stdout if line.endswith(b"\n")]
        settled |= {int(line) for line in lines}
        assert findings(database) == []
        with closing(database.reader()) as reader:
            responses = {response.call_id for response in reader.responses()}
            assert sum(day.ok for day in reader.progress().days) == len(responses)
        assert settled <= responses
    async with open_ledger(database.url) as ledger:
        assert await ledger.recover(this_process(), NOW) > 0
        assert "claimed" not in await counts(ledger)
    assert findings(database) == []
