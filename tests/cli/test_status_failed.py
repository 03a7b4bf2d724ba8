"""`status --failed`: the ids that were given up, for people, for `cut` and `sort`, and for programs."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest
from command_line import CommandLine
from forks import start
from page_ledgers import given_up_ledger
from terminal_kit import Terminal
from waiting import LIMIT_SECONDS

from harvester.ledger.sqlite.reader import SqliteReader
from harvester.simulator import make_ids

HOSTILE = "evil\x1b[2J\u202e\tother\ncolumn"


def test_a_pipe_gets_a_line_an_id_with_tabs(cli: CommandLine) -> None:
    given_up_ledger(cli.folder / "harvest.db")
    a, b, _, c, d = make_ids(1, 5)
    assert [line.split("\t") for line in cli.ok("status", "--failed").splitlines()] == [
        [a, "backendError", "2026-11-23T10:30:01Z", "1"],
        [b, "backendError", "2026-11-23T10:30:01Z", "1"],
        [c, "http_400", "2026-11-23T10:30:02Z", "1"],
        [d, "http_400", "2026-11-23T10:30:02Z", "1"],
    ]


def test_programs_get_an_object_a_line(cli: CommandLine) -> None:
    given_up_ledger(cli.folder / "harvest.db", [HOSTILE])
    text = cli.ok("status", "--failed", "--json")
    assert not {"\x1b", "\u202e", "\t"} & set(text)
    first, second = map(json.loads, text.splitlines())
    assert first | {"id": second["id"]} == second
    assert first == {
        "id": next(iter(make_ids(1, 1))),
        "reason": HOSTILE,
        "http_status": 500,
        "failed_at": "2026-11-23T10:30:01Z",
        "attempts": 1,
    }


def test_reasons_stay_in_their_column_and_do_nothing(cli: CommandLine) -> None:
    given_up_ledger(cli.folder / "harvest.db", [HOSTILE])
    lines = [line.split("\t") for line in cli.ok("status", "--failed").splitlines()]
    assert [line[1] for line in lines] == ["evil [2J\\u202e other column"] * 2


def test_where_none_has_failed_a_pipe_gets_nothing(cli: CommandLine) -> None:
    cli.load(3)
    assert cli.ok("status", "--failed") == ""
    assert cli.ok("status", "--failed", "--json") == ""


def test_a_terminal_gets_a_heading_and_the_sum(cli: CommandLine) -> None:
    given_up_ledger(cli.folder / "harvest.db", [HOSTILE])
    with Terminal(cli.folder, "status", "--failed") as terminal:
        assert terminal.ended() == 0
    lines = terminal.output.splitlines()
    assert lines[0].split() == ["id", "reason", "when", "attempts"]
    assert "evil [2J\\u202e other" in lines[1]
    assert lines[3] == "2 failed."


def test_a_reader_that_goes_away_is_no_error(cli: CommandLine) -> None:
    given_up_ledger(cli.folder / "harvest.db", ["backendError"] * 40)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as out, (cli.folder / "err").open("wb+") as err:
        child = start("harvester", ["status", "--failed"], folder=cli.folder, env=os.environ, stdout=out, stderr=err)
        assert (child.wait(LIMIT_SECONDS), err.read()) == (0, b"")


@pytest.mark.parametrize(
    "line",
    [
        "--failed --html page.html",
        "--failed --prometheus crawl.prom",
        "--watch",
        "--watch --json",
        "--watch --failed",
        "--interval 3",
        "--watch --interval 0",
    ],
)
def test_what_goes_not_together_is_refused(cli: CommandLine, line: str) -> None:
    cli.load(3)
    assert cli("status", *line.split()).exit_code == 2
    assert {path.suffix for path in cli.folder.iterdir()} <= {".csv", ".db", ".db-shm", ".db-wal"}


def test_they_are_streamed(tmp_path: Path) -> None:
    given_up_ledger(tmp_path / "harvest.db", ["backendError"])
    many = 40_000
    _fail(tmp_path / "harvest.db", many)
    with SqliteReader(tmp_path / "harvest.db") as reader:
        next(iter(reader.failed()))
        tracemalloc.start()
        number = sum(1 for _ in reader.failed())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert number == many + 2
    assert peak < 60 * many, "as much as their bare texts"


def _fail(path: Path, ids: int) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as db, db:
        db.executemany(
            "INSERT INTO videos (video_id, state, call_id) VALUES (?, 4, 1)", ((f"{n:011}",) for n in range(ids))
        )
