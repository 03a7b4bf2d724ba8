"""Texts from outside: what they hold never acts on a terminal, reorders a line or forges one."""

from __future__ import annotations

import json
import logging
import sqlite3
import unicodedata
from contextlib import closing
from subprocess import CompletedProcess

import pytest
from secrets_kit import Guarded, google_error, serving

from harvester.cli.shared.logs import safe, set_up_logging
from harvester.config import LogSettings
from harvester.support.sanitize import shown, shown_lines, without_secrets

ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\x08\r"
BIDI = "\u202e\u2066\u200f\ufeff\u2028\u2029"
ONE_LINE = f"evil{ESCAPES}{BIDI}"
HOSTILE = f"{ONE_LINE}\nFORGED: all is well"
ACTING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def acting_in(text: str) -> list[str]:
    """The characters that do something, and the lines that came from outside."""
    characters = [repr(char) for char in text if char != "\n" and unicodedata.category(char) in ACTING]
    return characters + [line for line in text.split("\n") if line.startswith("FORGED")]


def assert_harmless(done: CompletedProcess[str], *, says: str = "evil") -> None:
    assert acting_in(done.stdout) == []
    assert acting_in(done.stderr) == []
    assert says in done.stdout + done.stderr


def lines_of(done: CompletedProcess[str]) -> list[dict[str, str]]:
    """The log lines as JSON, up to the first line of the error."""
    return [json.loads(line) for line in done.stderr.splitlines()]


class TestIds:
    def test_invalid_ids_of_a_file(self, guarded: Guarded) -> None:
        # Ids are one a row: a newline in one needs quotes.
        texts = f'song\n"{HOSTILE}"\n<b>evil</b>{ESCAPES}\n'
        (guarded.folder / "songs.csv").write_text(texts, encoding="utf-8")
        done = guarded.here("-v", "--log-format", "json", "load", "songs.csv")
        assert done.returncode == 3  # not one id
        assert_harmless(done)
        (guarded.folder / "songs.csv").write_text(f"{texts}dQw4w9WgXcQ\n", encoding="utf-8")
        done = guarded.here("-v", "--log-format", "json", "load", "songs.csv")
        assert done.returncode == 0
        assert_harmless(done)
        assert [line["level"] for line in lines_of(done)] == ["DEBUG", "WARNING"]
        for command in ("status", "verify", "run --dry-run"):
            assert_harmless(guarded.here("-v", *command.split()), says="")

    def test_a_column_and_a_file_that_are_not_there(self, guarded: Guarded) -> None:
        (guarded.folder / "songs.csv").write_text(f'a,"{ONE_LINE}"\n1,2\n', encoding="utf-8")
        assert_harmless(guarded.here("-v", "load", "songs.csv"))
        assert_harmless(guarded.here("-v", "load", "songs.csv", "--column", f"evil{ESCAPES}"))
        assert_harmless(guarded.here("-v", "load", f"evil{ESCAPES}.csv"))


class TestTheApi:
    @pytest.mark.parametrize(("status", "exit_code"), [(403, 3), (500, 4)])
    @pytest.mark.parametrize("log_format", ["text", "json"])
    def test_its_error_messages(self, guarded: Guarded, status: int, exit_code: int, log_format: str) -> None:
        with serving(lambda _: google_error(status, f"<b onclick=x()>{HOSTILE}</b>", reason=HOSTILE)) as address:
            guarded.env["HARVESTER_YOUTUBE__BASE_URL"] = address
            done = guarded.run("-v", "--log-format", log_format, "run")
        assert done.returncode == exit_code
        assert_harmless(done)
        assert "onclick" not in done.stderr
        if log_format == "json":
            assert any("evil" in line["message"] for line in lines_of(done))
        assert_harmless(guarded.here("status"), says="")

    def test_titles(self, guarded: Guarded) -> None:
        items = [{"id": f"{number:010}A", "snippet": {"title": HOSTILE}} for number in range(10)]
        page = {"kind": "youtube#videoListResponse", "items": items}
        with serving(lambda _: (200, "application/json", json.dumps(page).encode())) as address:
            guarded.env["HARVESTER_YOUTUBE__BASE_URL"] = address
            for command in (["run"], ["export", "songs.json"], ["verify", "--export", "songs.json"]):
                done = guarded.here("-v", *command)
                assert done.returncode == 0, done.stderr
                assert_harmless(done, says="")
        published = json.loads((guarded.folder / "songs.json").read_bytes())
        assert published[0]["items"][0]["snippet"]["title"] == HOSTILE, "stored as the API sent it"

    def test_what_is_not_an_answer(self, guarded: Guarded) -> None:
        page = {"kind": HOSTILE, "items": [{"id": HOSTILE}], HOSTILE: 1}
        with serving(lambda _: (200, "application/json", json.dumps(page).encode())) as address:
            guarded.env["HARVESTER_YOUTUBE__BASE_URL"] = address
            assert_harmless(guarded.here("-v", "run"), says="")


class TestNames:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["export", f"{HOSTILE}/songs.json"],
            ["export", f"s3://evil/{HOSTILE}/"],
            ["export", f"ftp://{HOSTILE}"],
            ["verify", "--export", f"{HOSTILE}.json"],
            ["--config", f"{ONE_LINE}.toml", "status"],
        ],
        ids=["export", "s3", "ftp", "verify", "config"],
    )
    def test_in_error_sentences(self, guarded: Guarded, arguments: list[str]) -> None:
        done = guarded.here("-v", *arguments)
        assert done.returncode in (3, 5)
        assert_harmless(done)

    def test_a_ledger_of_that_name(self, guarded: Guarded) -> None:
        guarded.env["HARVESTER_LEDGER__URL"] = f"sqlite:///none/{ONE_LINE}.db"
        for command in (["status"], ["load", "-"]):
            assert_harmless(guarded.here("-v", *command), says="ledger")

    def test_a_hostile_manifest(self, guarded: Guarded) -> None:
        assert guarded.here("export", "songs.json").returncode == 0
        path = guarded.folder / "songs.json.manifest.json"
        good = json.loads(path.read_text())
        for key in ("format", "sha256"):
            path.write_text(json.dumps(good | {key: HOSTILE}))
            done = guarded.here("-v", "verify", "--export", "songs.json")
            assert done.returncode == 5
            assert_harmless(done, says="songs.json")

    def test_settings(self, guarded: Guarded) -> None:
        written = json.dumps(ONE_LINE)
        for setting in (f"[youtube]\nbase_url = {written}", f"[youtube]\n{written} = 1"):
            (guarded.folder / "config.toml").write_text(setting)
            done = guarded.here("-v", "status")
            assert done.returncode == 3
            assert_harmless(done, says="")

    def test_hosts_of_runs(self, guarded: Guarded) -> None:
        with serving(lambda _: google_error(403, "no")) as address:
            guarded.env["HARVESTER_YOUTUBE__BASE_URL"] = address
            guarded.here("run")
        with closing(sqlite3.connect(guarded.folder / "harvest.db")) as connection, connection:
            connection.execute("UPDATE runs SET host = ?, reason = ?", (HOSTILE, HOSTILE))
        done = guarded.here("status")
        assert done.returncode == 0
        assert_harmless(done)

    def test_of_an_export_that_succeeds(self, guarded: Guarded) -> None:
        name = f"{ONE_LINE}.json"
        assert_harmless(guarded.here("export", name))
        assert_harmless(guarded.here("verify", "--export", name))


class TestNewlinesInNames:
    """Each of these sentences is made of several lines on purpose, so only its author can tell them from others."""

    def test_of_columns(self, guarded: Guarded) -> None:
        (guarded.folder / "songs.csv").write_text(f'a,"{HOSTILE}"\n1,2\n', encoding="utf-8")
        assert_harmless(guarded.here("load", "songs.csv"))

    @pytest.mark.parametrize("place", ["key", "path"])
    def test_of_settings(self, guarded: Guarded, place: str) -> None:
        (guarded.folder / "config.toml").write_text(f"[youtube]\n{json.dumps(HOSTILE)} = 1")
        assert_harmless(guarded.here(*(["--config", HOSTILE] if place == "path" else []), "status"))

    def test_of_ledgers(self, guarded: Guarded) -> None:
        guarded.env["HARVESTER_LEDGER__URL"] = f"sqlite:///{HOSTILE}.db"
        assert_harmless(guarded.here("status"))


class TestTheGates:
    def test_a_bug_whose_exception_is_hostile(self, guarded: Guarded) -> None:
        guarded.run_instead(f"""
from harvester.cli.program import main
from harvester.app import Harvester
def broken(self, *_, **__):
    raise RuntimeError({HOSTILE!r})
Harvester.overview = broken
main()
""")
        done = guarded.run("-v", "status")
        assert done.returncode == 1
        assert acting_in(done.stdout + done.stderr.replace("\nFORGED", "\n")) == []
        assert "This is a bug in harvester: RuntimeError: evil" in done.stderr

    @pytest.mark.parametrize("log_format", ["text", "json"])
    def test_log_lines_of_other_libraries(self, log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert logging.lastResort is not None
        before = logging.lastResort.formatter
        try:
            set_up_logging(LogSettings(format=log_format), 0)  # type: ignore[arg-type]
            record = logging.LogRecord("urllib3", logging.WARNING, "", 0, "%s", (HOSTILE,), None)
            logging.lastResort.handle(record)
        finally:
            logging.lastResort.setFormatter(before)
        output = capsys.readouterr().err
        assert output.count("\n") == 1
        assert acting_in(output) == []
        assert "evil" in output

    def test_lines_and_indentation_that_are_meant_stay(self) -> None:
        assert shown_lines("Traceback:\n  File x\n    call(\t1)\n") == "Traceback:\n  File x\n    call( 1)\n"
        assert acting_in(shown_lines(f"one\n{ESCAPES}{BIDI}two")) == []
        assert len(shown("x" * 5000)) == 300

    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("at http://me:word@host/x", "at http://[hidden]@host/x"),
            ("at https://token@host", "at https://[hidden]@host"),
            ("Invalid endpoint: me:word@host", "Invalid endpoint: [hidden]@host"),
            ("s3://bucket/key@2x.json", "s3://bucket/key@2x.json"),
            ("a key-of-mine here", "a [hidden] here"),
        ],
    )
    def test_secrets_in_a_text(self, text: str, left: str) -> None:
        assert without_secrets(text, ["key-of-mine"]) == left

    def test_short_values_are_not_taken_for_secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("YOUTUBE_API_KEY", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "longer-than-that")
        assert safe("a cat, longer-than-that") == "a cat, [hidden]"
