"""doctor: real processes in a healthy set-up, and in one with each thing that can be broken."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from time import time
from typing import Any, NamedTuple

import pytest
from children import ForkedSimulator, Program, Simulate
from command_line import CommandLine

from harvester.ledger.schema import metadata
from harvester.ledger.sqlite.quick_check import quick_look
from harvester.simulator import SimulatorProcess, SimulatorSettings, make_ids

KEY = "AIza" + "secret-and-shown-nowhere-at-all"[:27] + "0123-_xY"
INDEX = min(str(index.name) for table in metadata.tables.values() for index in table.indexes)
CHECKS = ["config", "key", "time zone", "versions", "ledger", "disk", "source", "export", "clock"]


class Setup(NamedTuple):
    """All that a crawl needs, and ids in the ledger; `env` is this test's own."""

    cli: CommandLine
    env: pytest.MonkeyPatch

    @property
    def folder(self) -> Path:
        return self.cli.folder

    def run(self, *arguments: str) -> CompletedProcess[str]:
        """By a process of its own."""
        return Program(self.folder).run(*arguments)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with ForkedSimulator(SimulatorSettings()) as running:
        yield running


@pytest.fixture
def healthy(cli: CommandLine, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Setup:
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", simulator.base_url)
    monkeypatch.setenv("YOUTUBE_API_KEY", KEY)
    cli.write("songs.csv", "\n".join(["user,song", *(f"1,{video_id}" for video_id in make_ids(0, 120)), ""]))
    for command in ("init", "load"):
        cli.ok("-q", command)
    return Setup(cli, monkeypatch)


def ledger_of(healthy: Setup) -> Path:
    return healthy.folder / "harvest.db"


def set_up(healthy: Setup, **settings: str) -> None:
    """Add lines to sections of config.toml, each in place of the setting of that name."""
    path = healthy.folder / "config.toml"
    text = path.read_text(encoding="utf-8")
    for name, value in settings.items():
        text, changed = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
        assert changed == 1, name
    path.write_text(text, encoding="utf-8")


def doctor(healthy: Setup, *options: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Its exit code and its findings by check; nothing may be said beside them, least of all the key."""
    done = healthy.cli("doctor", "--json", *options)
    assert done.stderr == ""
    assert_key_is_not_shown(done.stdout)
    reported = json.loads(done.stdout)
    assert reported["exit_code"] == done.exit_code
    assert reported["offline"] == ("--offline" in options)
    findings = {finding["check"]: finding for finding in reported["findings"]}
    assert len(findings) == len(reported["findings"])
    for finding in findings.values():
        assert finding["what"]
        assert bool(finding["next_step"]) == (finding["level"] != "ok"), finding
        assert bool(finding["exit_code"]) == (finding["level"] == "problem"), finding
    return done.exit_code, findings


def assert_key_is_not_shown(output: str) -> None:
    assert KEY[:12] not in output
    without_sizes = re.sub(r"[\d.,]+ [kMGT]?i?B\b", "", output)
    assert not re.search(rf"\b{len(KEY)}\b", without_sizes)


def assert_finds(healthy: Setup, check: str, level: str, *words: str, exit_code: int, options: str = "") -> None:
    """This one thing is wrong, and nothing else."""
    code, findings = doctor(healthy, *options.split())
    found = findings[check]
    assert (found["level"], code) == (level, exit_code), found
    for word in words:
        assert word in f"{found['what']} {found['next_step']}"
    assert {name for name, finding in findings.items() if finding["level"] != "ok"} == {check}


# --- a healthy set-up


def test_all_is_well(healthy: Setup, simulator: SimulatorProcess) -> None:
    before, calls = files_of(healthy.folder), simulator.report()["calls"]
    done = healthy.run("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line[9:19].strip() for line in lines[:-1]] == CHECKS
    assert all(line.startswith("ok ") for line in lines[:-1])
    assert lines[-1] == "All is well."
    assert "120 ids, 120 left" in done.stdout
    assert_key_is_not_shown(done.stdout + done.stderr)
    assert files_of(healthy.folder) == before
    assert simulator.report()["calls"] == calls


def files_of(folder: Path) -> dict[str, str]:
    """What is in the folder, but for the shared memory that SQLite makes to read."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if not path.name.endswith("-shm") and not (path.name.endswith("-wal") and path.stat().st_size == 0)
    }


def test_all_is_well_for_programs(healthy: Setup) -> None:
    code, findings = doctor(healthy)
    assert (code, list(findings)) == (0, CHECKS)
    assert re.search(r"harvester \d.*Python 3\..*SQLite 3\..*aiohttp 3\.", findings["versions"]["what"])


def test_offline_leaves_out_the_network_alone(healthy: Setup, closed_port: int) -> None:
    healthy.env.setenv("HARVESTER_YOUTUBE__BASE_URL", f"http://127.0.0.1:{closed_port}")
    healthy.env.setenv("HARVESTER_SOURCE__URI", f"http://127.0.0.1:{closed_port}/songs.csv")
    healthy.env.setenv("HARVESTER_EXPORT__URI", "s3://bucket/songs.json")
    healthy.env.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port}")
    code, findings = doctor(healthy, "--offline")
    assert (code, list(findings)) == (0, CHECKS[:6])
    assert "What needs the network was left out." in healthy.cli.ok("doctor", "--offline")


def test_a_unit_is_spent_only_when_it_is_asked_for_and_in_the_ledger(
    healthy: Setup, simulator: SimulatorProcess
) -> None:
    calls = simulator.report()["calls"]
    done = healthy.run("-q", "doctor", "--spend-unit")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"ok +call +The API takes the key: one call of the crawl, 11 units, \d+ videos", done.stdout)
    assert simulator.report()["calls"] == calls + 1
    status = healthy.cli.status()
    assert (status["calls"]["ok"], status["quota"]["spent"], status["videos"]["pending"]) == (1, 11, 70)
    healthy.cli.ok("verify")


def test_no_unit_is_spent_while_there_are_problems(healthy: Setup, simulator: SimulatorProcess) -> None:
    set_up(healthy, column='"artist"')
    calls = simulator.report()["calls"]
    code, findings = doctor(healthy, "--spend-unit")
    assert (code, findings["call"]["level"]) == (3, "warning")
    assert simulator.report()["calls"] == calls


def test_a_key_that_the_api_refuses(healthy: Setup, simulate: Simulate) -> None:
    healthy.env.setenv("HARVESTER_YOUTUBE__BASE_URL", simulate(valid_key="another").base_url)
    done = healthy.run("-q", "doctor", "--spend-unit")
    assert done.returncode == 3
    assert re.search(r"problem +call .*API_KEY_INVALID", done.stdout)
    assert done.stdout.endswith("1 problem.\n")
    assert_key_is_not_shown(done.stdout + done.stderr)


def test_spending_needs_the_network(healthy: Setup) -> None:
    assert healthy.cli("doctor", "--offline", "--spend-unit").exit_code == 2


# --- each broken thing


def test_no_key(healthy: Setup) -> None:
    healthy.env.delenv("YOUTUBE_API_KEY")
    assert_finds(healthy, "key", "problem", "There is no API key", "YOUTUBE_API_KEY", exit_code=3)


def test_a_key_of_another_shape(healthy: Setup) -> None:
    healthy.env.setenv("HARVESTER_YOUTUBE__BASE_URL", "https://youtube.googleapis.com/youtube/v3")
    healthy.env.setenv("YOUTUBE_API_KEY", f"{KEY}{KEY}")
    assert_finds(healthy, "key", "warning", "does not look like", "console", exit_code=0, options="--offline")
    healthy.env.setenv("YOUTUBE_API_KEY", KEY)
    assert doctor(healthy, "--offline")[1]["key"]["level"] == "ok"


def test_a_key_that_others_may_read(healthy: Setup) -> None:
    healthy.env.setenv("HARVESTER_YOUTUBE__BASE_URL", "https://youtube.googleapis.com/youtube/v3")
    healthy.env.delenv("YOUTUBE_API_KEY")
    file = healthy.folder / "key"
    file.write_text(KEY, encoding="ascii")
    healthy.env.setenv("YOUTUBE_API_KEY_FILE", str(file))
    file.chmod(0o644)
    assert_finds(healthy, "key", "warning", "others", f"chmod 600 {file}", exit_code=0, options="--offline")
    file.chmod(0o600)
    assert doctor(healthy, "--offline")[1]["key"]["level"] == "ok"


def test_a_config_that_cannot_work(healthy: Setup) -> None:
    set_up(healthy, concurrency='"many"')
    code, findings = doctor(healthy)
    assert (code, list(findings)) == (3, ["config", "key", "time zone", "versions", "the rest"])
    assert "run.concurrency" in findings["config"]["what"]
    assert [findings[check]["level"] for check in ("key", "time zone", "versions")] == ["ok", "ok", "ok"]


def test_a_config_that_is_no_toml_or_not_there(healthy: Setup) -> None:
    (healthy.folder / "config.toml").write_text("[run\n", encoding="ascii")
    assert "not valid TOML" in doctor(healthy)[1]["config"]["what"]
    done = healthy.cli("--config", "nowhere.toml", "doctor")
    assert (done.exit_code, done.stderr) == (3, "")
    assert "nowhere.toml" in done.stdout
    (healthy.folder / "config.toml").unlink()
    healthy.env.setenv("HARVESTER_SOURCE__URI", "songs.csv")
    assert_finds(healthy, "config", "warning", "defaults", "harvester init", exit_code=0)


def test_no_ledger(healthy: Setup) -> None:
    ledger_of(healthy).unlink()
    assert_finds(healthy, "ledger", "problem", "There is no ledger", "harvester init", exit_code=3)
    assert not ledger_of(healthy).exists()


def test_a_ledger_without_ids(healthy: Setup) -> None:
    for file in healthy.folder.glob("harvest.db*"):
        file.unlink()
    healthy.cli.ok("init")
    assert_finds(healthy, "ledger", "warning", "no ids", "harvester load", exit_code=0)


def test_a_ledger_with_a_damaged_page(healthy: Setup) -> None:
    path = ledger_of(healthy)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page_size,) = db.execute("PRAGMA page_size").fetchone()
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ux_videos_video_id'").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * page_size)
        file.write(b"\xff" * 200)
    before = path.read_bytes()
    assert_finds(healthy, "ledger", "problem", "is damaged", "backup", exit_code=5)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (f"DROP INDEX {INDEX}", INDEX),
        ("ALTER TABLE runs DROP COLUMN reason", "runs has no column reason"),
    ],
)
def test_a_ledger_with_another_schema(healthy: Setup, change: str, words: str) -> None:
    with closing(sqlite3.connect(ledger_of(healthy))) as db:
        db.execute(change)
    assert_finds(healthy, "ledger", "problem", words, exit_code=5)


def test_a_large_ledger_is_looked_at_for_a_while_only(cli: CommandLine) -> None:
    cli.load(5_000)
    path = cli.folder / "harvest.db"
    assert quick_look(path)
    assert not quick_look(path, max_seconds=0)


def test_a_wrong_column(healthy: Setup) -> None:
    set_up(healthy, column='"artist"')
    assert_finds(healthy, "source", "problem", "artist", exit_code=3)


def test_a_column_of_something_else(healthy: Setup) -> None:
    set_up(healthy, column='"user"')
    assert_finds(healthy, "source", "warning", "no video ids", "source.column", exit_code=0)


def test_a_source_that_is_not_there(healthy: Setup) -> None:
    (healthy.folder / "songs.csv").unlink()
    assert_finds(healthy, "source", "problem", "songs.csv", exit_code=3)


@pytest.mark.parametrize("place", ["nowhere/songs.json", "songs.csv/songs.json"])
def test_a_place_of_the_export_that_is_none(healthy: Setup, place: str) -> None:
    healthy.env.setenv("HARVESTER_EXPORT__URI", place)
    assert_finds(healthy, "export", "problem", place, exit_code=3)


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("letters.json", "harvester did not write what stands there (there is no manifest next to it)"),
        ("songs.csv", "the source of the ids"),
        ("songs.parquet", "is named as a parquet file"),
    ],
)
def test_a_place_of_the_export_that_an_export_would_refuse(healthy: Setup, place: str, what: str) -> None:
    (healthy.folder / "letters.json").write_text("{}", encoding="utf-8")
    healthy.env.setenv("HARVESTER_EXPORT__URI", place)
    assert_finds(healthy, "export", "problem", what, exit_code=3)
    assert (healthy.folder / "letters.json").read_text(encoding="utf-8") == "{}"
    assert not list(healthy.folder.glob("*doctor*"))


def test_a_folder_of_another_is_no_place_of_an_export_of_parts(healthy: Setup) -> None:
    (healthy.folder / "letters").mkdir()
    (healthy.folder / "letters" / "part-00000001.jsonl").write_text("{}", encoding="utf-8")
    healthy.env.setenv("HARVESTER_EXPORT__URI", "letters")
    healthy.env.setenv("HARVESTER_EXPORT__MAX_PART_BYTES", "1000000")
    healthy.env.setenv("HARVESTER_EXPORT__FORMAT", "jsonl")
    assert_finds(healthy, "export", "problem", "letters", exit_code=3)
    assert [path.name for path in (healthy.folder / "letters").iterdir()] == ["part-00000001.jsonl"]


def test_no_network(healthy: Setup, closed_port: int) -> None:
    healthy.env.setenv("HARVESTER_YOUTUBE__BASE_URL", f"http://127.0.0.1:{closed_port}/youtube/v3")
    code, findings = doctor(healthy)
    assert (code, findings["api"]["level"]) == (4, "problem")
    assert f"127.0.0.1:{closed_port}" in findings["api"]["what"]
    assert "connect_failed" in findings["api"]["what"]
    assert [name for name, finding in findings.items() if finding["level"] != "ok"] == ["api"]


def test_a_broken_time_zone(healthy: Setup) -> None:
    zone = healthy.folder / "zones" / "America" / "Los_Angeles"
    zone.parent.mkdir(parents=True)
    zone.write_bytes(b"no zone")
    healthy.env.setenv("PYTHONTZPATH", str(healthy.folder / "zones"))
    done = healthy.run("doctor")
    assert done.returncode == 3
    assert re.search(r"^problem +time zone +.*America/Los_Angeles can't be read.*tzdata", done.stdout, re.MULTILINE)
    assert done.stdout.endswith("1 problem, 1 warning.\n")


@contextmanager
def server_that_says(date: str | None) -> Iterator[tuple[str, list[str]]]:
    """Its address, and what was asked of it: method, path and headers."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(f"{self.requestline}\n{self.headers}")
            self.send_response_only(404)
            if date is not None:
                self.send_header("Date", date)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/youtube/v3", asked
        finally:
            server.shutdown()
            thread.join()


def http_date(seconds_from_now: float) -> str:
    return formatdate(time() + seconds_from_now, usegmt=True)


@pytest.mark.parametrize(
    ("date", "level", "words", "exit_code"),
    [
        (7200, "problem", "minutes behind", 3),
        (-7200, "problem", "minutes ahead of", 3),
        (-300, "warning", "minutes ahead of", 0),
        ("yesterday", "warning", "does not say what time it is", 0),
        (None, "warning", "does not say what time it is", 0),
    ],
)
def test_a_server_that_says_another_time(
    healthy: Setup, date: int | str | None, level: str, words: str, exit_code: int
) -> None:
    with server_that_says(http_date(date) if isinstance(date, int) else date) as (address, asked):
        healthy.env.setenv("HARVESTER_YOUTUBE__BASE_URL", address)
        assert_finds(healthy, "clock", level, words, exit_code=exit_code)
    # It cost nothing: no key, and no method of the API.
    assert len(asked) == 1
    assert asked[0].startswith("HEAD / HTTP/1.1\n")
    assert KEY not in asked[0]


def test_the_first_problem_decides(healthy: Setup, closed_port: int) -> None:
    healthy.env.setenv("HARVESTER_YOUTUBE__BASE_URL", f"http://127.0.0.1:{closed_port}/youtube/v3")
    (healthy.folder / "songs.csv").unlink()
    done = healthy.cli("doctor")
    assert done.exit_code == 3
    assert done.stdout.endswith("2 problems.\n")


def test_hostile_texts_act_on_no_terminal(healthy: Setup) -> None:
    (healthy.folder / "songs.csv").write_text("song\n\x1b[31mred\u202e\n", encoding="utf-8")
    done = healthy.cli("doctor", "--offline")
    assert "warning  source" in done.stdout
    assert not set(done.stdout) & {"\x1b", "\u202e"}
