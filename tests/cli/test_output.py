"""Results on stdout, logs on stderr, colours on a terminal only, and the key nowhere."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
from pathlib import Path

import pytest
from children import Simulate
from command_line import Api, CommandLine
from forks import start
from waiting import LIMIT_SECONDS

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (DEBUG|INFO   |WARNING|ERROR  ) .+")
ESCAPE = "\x1b"
SESSION = ["load songs.csv", "plan", "run", "status", "export songs.json", "verify --export songs.json"]


@pytest.fixture
def session(cli: CommandLine, common_api: None) -> CommandLine:
    cli.load(120)
    return cli


def test_results_go_to_stdout_and_logs_to_stderr(session: CommandLine) -> None:
    for line in SESSION:
        result = session(*line.split())
        assert result.exit_code == 0
        assert result.stdout
        assert not [text for text in result.stdout.splitlines() if LOG_LINE.fullmatch(text)]
        assert all(LOG_LINE.fullmatch(text) for text in result.stderr.splitlines()), result.stderr


def test_more_is_said_on_request(session: CommandLine) -> None:
    assert "DEBUG" in session("-v", "run").stderr
    assert "DEBUG" not in session("run").stderr


@pytest.mark.parametrize("option", ["-v", "-vv"])
def test_log_lines_can_be_read_by_programs(session: CommandLine, option: str) -> None:
    for line in SESSION:
        result = session("--log-format", "json", option, *line.split())
        assert result.exit_code == 0
        for text in result.stderr.splitlines():
            record = json.loads(text)
            assert {"time", "level", "logger", "message"} <= set(record)
            assert record["logger"].startswith("harvester.")


@pytest.mark.parametrize("option", ["-q", "-v"])
def test_an_error_is_a_line_for_programs_too(cli: CommandLine, option: str) -> None:
    result = cli("--log-format", "json", option, "status")
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    record = json.loads(line)
    assert (record["level"], record["logger"]) == ("ERROR", "harvester.cli")
    assert record["message"].startswith("There is no ledger at ")
    assert "\nRun harvester init to create it" in record["message"]
    assert ("traceback" in record) is (option == "-v")


def test_quiet_says_nothing_where_nothing_is_wrong(session: CommandLine) -> None:
    for line in SESSION:
        assert session("-q", *line.split()).stderr == ""


def test_quiet_still_says_what_is_wrong(cli: CommandLine) -> None:
    result = cli("-q", "status")
    assert result.exit_code == 3
    assert "There is no ledger" in result.stderr


def test_the_settings_say_how_logs_are_written(session: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_LOG__FORMAT", "json")
    monkeypatch.setenv("HARVESTER_LOG__LEVEL", "DEBUG")
    assert {json.loads(line)["level"] for line in session("run").stderr.splitlines()} >= {"DEBUG"}


# --- colours


@pytest.mark.parametrize("line", [*SESSION, "verify --nonsense", "export --require-complete s3://", "--help"])
def test_a_pipe_gets_no_escape_codes(session: CommandLine, line: str) -> None:
    result = session(*line.split())
    assert ESCAPE not in result.stdout + result.stderr


def on_a_terminal(folder: Path, line: str, **more: str) -> str:
    """What `harvester` writes to a terminal."""
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color"} | more
    with os.fdopen(theirs, "r+b", buffering=0) as screen:
        streams = {"stdin": subprocess.DEVNULL, "stdout": screen, "stderr": screen}
        child = start("harvester", line.split(), folder=folder, env=env, **streams)
    shown = b""
    try:
        while select.select([ours], [], [], LIMIT_SECONDS)[0]:
            try:
                block = os.read(ours, 65536)
            except OSError:
                break
            if not block:
                break
            shown += block
    finally:
        os.close(ours)
        child.kill()
        child.wait(LIMIT_SECONDS)
    return shown.decode()


COLOUR = re.compile(r"\x1b\[[0-9;]*?(3[0-9]|9[0-7])")
BOLD = re.compile(r"\x1b\[1m")


@pytest.mark.parametrize("line", ["status", "run", "--config nowhere.toml status"])
@pytest.mark.usefixtures("common_api")
def test_a_terminal_gets_colours_unless_they_are_unwanted(crawled: CommandLine, line: str) -> None:
    assert (COLOUR if "status" in line else BOLD).search(on_a_terminal(crawled.folder, line))
    assert not COLOUR.search(on_a_terminal(crawled.folder, line, NO_COLOR="1"))
    assert "\x1b" not in on_a_terminal(crawled.folder, line, TERM="dumb")


@pytest.mark.parametrize("line", ["doctor --offline", "verify --export nowhere.json", "prune --older-than 30d"])
@pytest.mark.usefixtures("common_api")
def test_a_narrow_terminal_breaks_lines_between_words(crawled: CommandLine, line: str) -> None:
    (crawled.folder / "harvest.db").rename("h.db")
    short = {"HARVESTER_LEDGER__URL": "sqlite:///h.db", "COLUMNS": "50", "NO_COLOR": "1"}
    output = on_a_terminal(crawled.folder, line, **short).replace("\r", "")
    output = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output)
    too_long = [text for text in output.splitlines() if len(text) > 50]
    # A path is left whole: who copies it gets it all.
    assert [text for text in too_long if not any(len(word) > 30 for word in text.split())] == []


# --- the key

KEY = "AIza" + "-this-key-must-be-nowhere-0123456789"


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def secret(cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("YOUTUBE_API_KEY", KEY)
    monkeypatch.setenv("HARVESTER_RUN__PATIENCE_SECONDS", "0")
    monkeypatch.setenv("HARVESTER_RUN__CONCURRENCY", "1")
    cli.load(120)
    return cli


@pytest.mark.parametrize(
    ("faults", "exit_code"),
    [
        (["400_api_key_invalid"], 3),
        (["403_service_disabled"], 3),
        (["502_html"] * 5, 4),
        (["drop"] * 5, 4),
        (["html_200"] * 5, 4),
        ([], 0),
    ],
    ids=["refused", "disabled", "error page", "dropped", "sign-in page", "none"],
)
def test_the_key_is_in_no_output_ledger_or_export(
    secret: CommandLine, api: Api, faults: list[str], exit_code: int
) -> None:
    api.simulator.script(*faults)
    results = [
        secret("-vv", "run"),
        secret("-v", "--log-format", "json", "status"),
        secret("-v", "export", "songs.json"),
        secret("-v", "verify"),
    ]
    assert results[0].exit_code == exit_code, results[0].stderr
    for result in results:
        assert KEY not in result.output
    assert KEY.encode() not in everything_in(secret.folder)
    assert api.simulator.report()["keys_in_urls"] == 0


def test_a_key_that_cannot_be_sent_is_not_shown_either(
    cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOUTUBE_API_KEY", f"{KEY}\u00e9 x")
    cli.load(10)
    result = cli("-v", "run")
    assert result.exit_code == 3
    assert KEY not in result.output


def test_the_key_is_not_shown_where_nothing_listens(
    cli: CommandLine, closed_port: int, simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOUTUBE_API_KEY", KEY)
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("HARVESTER_RUN__PATIENCE_SECONDS", "0")
    monkeypatch.setenv("HARVESTER_RUN__CONCURRENCY", "1")
    cli.load(10)
    result = cli("-v", "run")
    assert result.exit_code == 4
    assert "Traceback" in result.stderr
    assert KEY not in result.output
