"""How a command ends when it cannot do what it was asked: the exit code, and a few readable lines."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from children import Simulate
from click.testing import Result
from command_line import Api, CommandLine

NO_SUCH = "nowhere.toml"


def assert_says(result: Result, exit_code: int, *words: str) -> None:
    """It ends so, and says so in a few lines: what happened, what state the data is in, what to do."""
    assert result.exit_code == exit_code, result.stderr
    lines = [line for line in result.stderr.splitlines() if not line.startswith("20")]
    assert lines[0].startswith("Error: ")
    assert len(lines) <= 5
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr


# --- 2: usage


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "run --nonsense",
        "run --max-calls 0",
        "run --max-calls many",
        "load --limit 0",
        "load one.csv --delimiter ab",
        "load one.csv --delimiter a",
        "plan --videos -1",
        "plan --units-per-call 0",
        "export --format xml",
        "export --compression zip",
        "rehearse --faults some",
        "simulate --port 65536",
        "--log-format xml status",
        "--nonsense",
    ],
)
def test_a_line_that_makes_no_sense_is_a_usage_error(cli: CommandLine, line: str) -> None:
    result = cli(*line.split())
    assert result.exit_code == 2
    assert "Usage: harvester" in result.stderr
    assert "Error: " in result.stderr
    assert list(cli.folder.iterdir()) == []


# --- 3: configuration and credentials


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        ("[run]\nspeed = 1\n", "run.speed"),
        ("[runs]\nconcurrency = 1\n", "runs"),
        ('[run]\nconcurrency = "50"\n', "run.concurrency"),
        ("[run]\nconcurrency = 0\n", "run.concurrency"),
        ("[run]\ntimeout_seconds = true\n", "run.timeout_seconds"),
        ("[quota]\ndaily_units = 10\n", "quota.daily_units"),
        ("[quota]\nreserve_units = 9_995\n", "quota.reserve_units"),
        ('[youtube]\nbase_url = "ftp://example.org"\n', "youtube.base_url"),
        ('[youtube]\nparts = ["snippets"]\n', "youtube.parts"),
        ('[ledger]\nurl = "mysql://localhost/db"\n', "ledger.url"),
        ('[export]\nformat = "xml"\n', "export.format"),
        ('[log]\nlevel = "LOUD"\n', "log.level"),
    ],
)
def test_a_setting_that_cannot_work_is_named(cli: CommandLine, toml: str, key: str) -> None:
    cli.write("config.toml", toml)
    assert_says(cli("status"), 3, key, "config.toml")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("HARVESTER_RUN__CONCURRENCY", "many", "run.concurrency"),
        ("HARVESTER_RUN__SPEED", "1", "speed"),
        ("HARVESTER_RUNS__CONCURRENCY", "1", "HARVESTER_RUNS__CONCURRENCY"),
    ],
)
def test_a_variable_that_cannot_work_is_named(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert_says(cli("status"), 3, words)


def test_a_config_that_is_no_toml(cli: CommandLine) -> None:
    cli.write("config.toml", "[run\n")
    assert_says(cli("status"), 3, "config.toml", "not valid TOML")


def test_a_config_that_is_not_there(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_says(cli("--config", NO_SUCH, "status"), 3, NO_SUCH, "harvester init")
    monkeypatch.setenv("HARVESTER_CONFIG", NO_SUCH)
    assert_says(cli("status"), 3, NO_SUCH)


def test_without_a_key_nothing_is_sent(cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.load(50)
    monkeypatch.delenv("YOUTUBE_API_KEY")
    assert_says(cli("run"), 3, "There is no API key.", "YOUTUBE_API_KEY", "harvester rehearse")
    assert api.calls == 0


def test_a_key_may_stand_in_a_file(cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.load(50)
    monkeypatch.delenv("YOUTUBE_API_KEY")
    monkeypatch.setenv("YOUTUBE_API_KEY_FILE", str(cli.folder / "key"))
    assert_says(cli("run"), 3, "YOUTUBE_API_KEY_FILE")
    cli.write("key", "any\n")
    cli.ok("run")
    assert api.calls == 1


def test_a_refused_key(cli: CommandLine, simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = simulate(valid_key="the-right-one")
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", simulator.base_url)
    monkeypatch.setenv("YOUTUBE_API_KEY", "the-wrong-one")
    cli.load(500)
    assert_says(cli("run"), 3, "API_KEY_INVALID", "pending", "YOUTUBE_API_KEY")
    assert cli.status()["videos"]["pending"] == 500


@pytest.mark.parametrize("line", ["status", "verify", "run", "run --dry-run", "export", "plan"])
def test_a_ledger_that_is_not_there(cli: CommandLine, api: Api, line: str) -> None:
    assert_says(cli(*line.split()), 3, "There is no ledger", "harvester init", "harvester load")
    assert list(cli.folder.iterdir()) == []


def plain_text(path: Path) -> None:
    path.write_text("user,song\n1,dQw4w9WgXcQ\n" * 100, encoding="utf-8")


def another_database(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE songs (id TEXT)")
    db.commit()
    db.close()


@pytest.mark.parametrize("make", [plain_text, another_database])
@pytest.mark.parametrize("line", ["init", "load songs.csv", "status", "verify", "run", "export"])
def test_a_file_that_is_no_ledger_is_left_as_it_is(
    cli: CommandLine, api: Api, make: Callable[[Path], None], line: str
) -> None:
    path = cli.folder / "harvest.db"
    make(path)
    before = path.read_bytes()
    cli.write("songs.csv", "song\ndQw4w9WgXcQ\n")
    cli.write("config.toml", "")
    result = cli(*line.split())
    assert result.exit_code == 3, result.stderr
    assert "not a ledger" in result.stderr
    assert "Traceback" not in result.stderr
    assert path.read_bytes() == before


def test_an_empty_file_is_not_ready(cli: CommandLine) -> None:
    (cli.folder / "harvest.db").touch()
    assert_says(cli("status"), 3, "harvester init")
    cli.ok("init")
    cli.ok("status")


def test_a_ledger_in_a_folder_that_is_not_there(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_LEDGER__URL", f"sqlite:///{cli.folder}/nowhere/harvest.db")
    cli.write("config.toml", "")
    result = cli("init")
    assert result.exit_code == 3
    assert "nowhere" in result.stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("load", "There is no source"),
        ("load nowhere.csv", "nowhere.csv"),
        ("load songs.csv --column artist", "artist"),
        ("load ftp://example.org/songs.csv", "ftp"),
        ("load .", "folder"),
    ],
)
def test_a_source_that_cannot_be_read(cli: CommandLine, line: str, words: str) -> None:
    cli.write("songs.csv", "user,song\n1,dQw4w9WgXcQ\n")
    assert_says(cli(*line.split()), 3, words)


def test_a_call_that_costs_more_than_a_day_has(cli: CommandLine) -> None:
    assert_says(cli("plan", "--videos", "10", "--units-per-call", "10001"), 3, "10001")


# --- 4: the outside world


def test_an_api_that_cannot_be_reached(cli: CommandLine, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", f"http://127.0.0.1:{closed_port}/youtube/v3")
    monkeypatch.setenv("HARVESTER_RUN__PATIENCE_SECONDS", "0")
    monkeypatch.setenv("HARVESTER_RUN__CONCURRENCY", "2")
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    cli.load(500)
    assert_says(cli("run"), 4, "connect_failed", "pending again", "Run harvester run again later")
    status = cli.status()
    assert (status["videos"]["pending"], status["quota"]["spent"]) == (500, 0)


def test_an_api_that_only_fails(cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_RUN__PATIENCE_SECONDS", "0")
    monkeypatch.setenv("HARVESTER_RUN__CONCURRENCY", "2")
    cli.load(500)
    api.simulator.script(*["502_html"] * 50)
    assert_says(cli("run"), 4, "http_502", "stored")
    assert cli.status()["videos"]["pending"] == 500


def test_a_source_that_cannot_be_reached(cli: CommandLine, closed_port: int) -> None:
    assert_says(cli("load", f"http://127.0.0.1:{closed_port}/songs.csv"), 4, "cannot be read now")


# --- 5: an inconsistent ledger


DAMAGES = {
    "a count that is off": "UPDATE video_states SET videos = videos + 1 WHERE code = 2",
    "an id in no call": "UPDATE videos SET call_id = NULL, state = 0 WHERE position = 1",
    "an id with another state": "UPDATE videos SET state = 5 - state WHERE position = 1",
    "an id that was dropped": "DELETE FROM videos WHERE position = 1",
    "a response that was dropped": "DELETE FROM responses WHERE call_id = 1",
    "a body that was changed": "UPDATE responses SET body = zeroblob(stored_bytes) WHERE call_id = 1",
    "units that were not spent": "UPDATE quota_days SET units_reserved = units_reserved - 1",
    "a call that was dropped": "DELETE FROM calls WHERE id = 1",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_ledger_that_is_not_consistent(crawled: CommandLine, damage: str) -> None:
    crawled.ok("verify")
    db = sqlite3.connect(crawled.folder / "harvest.db")
    db.execute("PRAGMA ignore_check_constraints = ON")
    assert db.execute(DAMAGES[damage]).rowcount == 1
    db.commit()
    db.close()
    result = crawled("verify")
    assert result.exit_code == 5, result.stderr
    assert result.stderr.startswith("Error: The ledger is not consistent:\n  ")
    assert "Nothing was changed." in result.stderr
    assert "Traceback" not in result.stderr


def test_an_export_that_must_be_complete(cli: CommandLine, api: Api) -> None:
    cli.load(120)
    cli.ok("-q", "run", "--max-calls", "1")
    assert_says(cli("export", "songs.json", "--require-complete"), 5, "70")
    assert not (cli.folder / "songs.json").exists()
    cli.ok("-q", "run")
    cli.ok("export", "songs.json", "--require-complete")


@pytest.mark.parametrize("change", [lambda data: data[:-10], lambda data: data.replace(b"1", b"2", 1)])
def test_a_published_file_that_was_changed(crawled: CommandLine, change: Callable[[bytes], bytes]) -> None:
    crawled.ok("-q", "verify", "--export", "songs.json")
    path = crawled.folder / "songs.json"
    path.write_bytes(change(path.read_bytes()))
    assert_says(crawled("verify", "--export", "songs.json"), 5, "songs.json")


# --- how errors look


def test_a_traceback_is_shown_on_request_only(cli: CommandLine) -> None:
    quiet, asked = cli("status"), cli("-v", "status")
    assert "Traceback" not in quiet.stderr
    assert asked.stderr.startswith("Traceback (most recent call last):")
    assert asked.stderr.endswith(quiet.stderr)
    assert (quiet.exit_code, asked.exit_code) == (3, 3)


def test_a_bug_is_called_one_and_ends_with_1(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("it is broken")

    cli.load(1)
    monkeypatch.setattr("harvester.app.Harvester.overview", broken)
    assert_says(cli("status"), 1, "This is a bug in harvester", "it is broken", "-v")
    assert "in broken" in cli("-v", "status").stderr
