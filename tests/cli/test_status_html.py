"""`status --html` and `report.html`: where the page goes, when, and what is said where it can't."""

from __future__ import annotations

import hashlib
import html
from pathlib import Path

import pytest
from children import Simulate
from command_line import Api, CommandLine

KEY = "a-key-that-stands-on-no-page"
WARNING = "the page of report.html was not written: "


@pytest.fixture
def page(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARVESTER_REPORT__HTML", "report.html")
    return cli.folder / "report.html"


def test_it_is_written_whole_and_nothing_is_printed_or_changed(cli: CommandLine, api: Api) -> None:
    cli.load(120)
    cli.ok("-q", "run")
    ledger = cli.folder / "harvest.db"
    before = hashlib.sha256(ledger.read_bytes()).digest()
    cli.write("page.html", "<title>x · harvester</title><h1>Harvest of YouTube metadata</h1>")
    assert cli.ok("status", "--html", "page.html") == ""
    page = (cli.folder / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    assert "Every id is settled. Next: <code>harvester export</code>" in page
    assert hashlib.sha256(ledger.read_bytes()).digest() == before
    assert [path.name for path in cli.folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("place", ["harvest.db", "nowhere/page.html", "ftp://host/page.html", "s3://bucket", "-", ""])
def test_a_place_that_will_not_do_is_refused(cli: CommandLine, place: str) -> None:
    cli.ok("init")
    before = (cli.folder / "harvest.db").read_bytes()
    result = cli("status", "--html", place)
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: ")
    assert (cli.folder / "harvest.db").read_bytes() == before


def test_programs_get_their_json_beside_it(cli: CommandLine) -> None:
    cli.ok("init")
    assert '"total": 0' in cli.ok("status", "--json", "--html", "page.html")
    assert (cli.folder / "page.html").exists()


def test_it_is_named_as_its_folder_or_as_the_settings_say(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.ok("init")
    for name in (cli.folder.name, "Songs <of> the playlog"):
        cli.ok("status", "--html", "page.html")
        page = (cli.folder / "page.html").read_text(encoding="utf-8")
        assert f"<title>Not started · 0.0% · {html.escape(name)} · harvester</title>" in page
        assert f"<h1>{html.escape(name)}</h1>" in page
        monkeypatch.setenv("HARVESTER_REPORT__NAME", "Songs <of> the playlog")


def test_each_run_ends_with_it(cli: CommandLine, api: Api, page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOUTUBE_API_KEY", KEY)
    cli.load(120)
    cli.ok("run", "--dry-run")
    assert not page.exists()
    cli.ok("run", "--max-calls", "1")
    first = page.read_text(encoding="utf-8")
    assert "call limit reached" in first
    cli.ok("run")
    second = page.read_text(encoding="utf-8")
    assert "nothing left" in second
    assert KEY not in first + second


def test_a_run_that_fails_ends_with_it_too(
    cli: CommandLine, page: Path, simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOUTUBE_API_KEY", KEY)
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", simulate(valid_key="another").base_url)
    cli.load(120)
    result = cli("run")
    assert result.exit_code == 3
    assert WARNING not in result.stderr
    text = page.read_text(encoding="utf-8")
    assert "The API refused the last run&#39;s key: set another before the next one." in text
    assert "API_KEY_INVALID" in text
    assert KEY not in text


@pytest.mark.parametrize("works", [True, False], ids=["a good run", "a failed run"])
def test_a_page_that_cannot_be_written_is_one_warning(
    cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    cli.load(60)
    monkeypatch.setenv("HARVESTER_REPORT__HTML", "nowhere/report.html")
    if not works:
        monkeypatch.delenv("YOUTUBE_API_KEY")
    result = cli("run")
    assert result.exit_code == (0 if works else 3)
    assert ("Nothing left: 2 calls" in result.stdout) is works
    (line,) = [line for line in result.stderr.splitlines() if WARNING in line]
    assert "WARNING" in line
    assert "there is no folder" in line


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("ftp://host/page.html", "report.html: must be a local path or s3://bucket/key"),
        ("s3://bucket", "report.html: must be a local path or s3://bucket/key"),
        ("songs.json", "  report.html and export.uri must be two places"),
        ("./songs.json", "  report.html and export.uri must be two places"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_once(cli: CommandLine, setting: str, says: str) -> None:
    cli.write("config.toml", f'[report]\nhtml = "{setting}"\n')
    result = cli("status")
    assert result.exit_code == 3
    assert says in result.stderr
