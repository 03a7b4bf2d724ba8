"""status --prometheus: what `status --json` says, in the format that node_exporter reads, and never half a file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from children import Program
from command_line import Api, CommandLine
from prometheus_client.parser import text_string_to_metric_families
from test_exit_codes import assert_says

from harvester.ledger.ledger import Ledger
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.quota_calendar import quota_day
from harvester.support.atomic_write import replace_file

Samples = dict[tuple[str, str], float]


def samples(path: Path) -> Samples:
    """Each by its name and the value of its label, which is "" where it has none."""
    families = text_string_to_metric_families(path.read_text(encoding="utf-8"))
    found = [sample for family in families for sample in family.samples]
    by_name = {(sample.name, "".join(sample.labels.values())): sample.value for sample in found}
    assert len(by_name) == len(found)
    return by_name


def test_it_says_what_status_says(cli: CommandLine, api: Api) -> None:
    cli.load(1_000)
    api.simulator.script("503")
    cli.ok("-q", "run", "--max-calls", "4")
    assert cli.ok("status", "--prometheus", "crawl.prom") == ""
    reported, status = samples(cli.folder / "crawl.prom"), cli.status()
    for state in ("pending", "claimed", "fetched", "missing", "failed", "invalid"):
        assert reported["harvester_videos", state] == status["videos"][state]
    for outcome in ("ok", "failed", "abandoned"):
        assert reported["harvester_calls_total", outcome] == status["calls"][outcome]
    assert reported["harvester_calls_total", "failed"] == 1
    assert reported["harvester_calls_open", ""] == status["calls"]["open"]
    for name, key in {"units_limit": "daily_units", "units_spent": "spent", "units_remaining": "remaining"}.items():
        assert reported[f"harvester_quota_{name}", ""] == status["quota"][key]
    assert reported["harvester_quota_units_per_call", ""] == 11
    assert reported["harvester_quota_closed", ""] == 0
    resets_at = datetime.fromisoformat(status["quota"]["resets_at"])
    assert reported["harvester_quota_reset_timestamp_seconds", ""] == resets_at.timestamp()
    assert reported["harvester_responses", ""] == status["responses"]["count"] > 0
    assert reported["harvester_responses_raw_bytes", ""] == status["responses"]["raw_bytes"] > 0
    assert reported["harvester_responses_stored_bytes", ""] == status["responses"]["stored_bytes"] > 0
    assert round(100 * reported["harvester_progress_ratio", ""], 1) == status["progress"]["percent"] > 0
    assert reported["harvester_days_left", ""] == status["progress"]["days_left"]
    assert reported["harvester_days_run", ""] == 1
    started, alive, ended = (
        reported[f"harvester_last_run_{it}_timestamp_seconds", ""] for it in ("started", "alive", "ended")
    )
    assert started < ended == alive
    assert reported["harvester_last_run_ending", "call limit reached"] == 1


def test_a_day_that_the_api_closed(cli: CommandLine, api: Api) -> None:
    cli.load(100)
    cli.ok("-q", "run", "--max-calls", "1")

    async def close_the_day() -> None:
        now = datetime.now(UTC)
        async with Ledger(SqliteTransactionRunner(cli.folder / "harvest.db")) as ledger:
            await ledger.close_day(quota_day(now), now)

    asyncio.run(close_the_day())
    cli.ok("status", "--prometheus", "crawl.prom")
    reported = samples(cli.folder / "crawl.prom")
    assert (reported["harvester_quota_closed", ""], reported["harvester_quota_units_remaining", ""]) == (1, 0)
    assert reported["harvester_quota_units_spent", ""] == 11


def test_what_the_ledger_says_breaks_no_line(crawled: CommandLine) -> None:
    with closing(sqlite3.connect(crawled.folder / "harvest.db")) as db, db:
        db.execute("UPDATE runs SET reason = ?", ('a "quoted" \\ word\nharvester_videos 7 \x1b[31m\u202e',))
    crawled.ok("status", "--prometheus", "crawl.prom")
    (ending,) = (label for name, label in samples(crawled.folder / "crawl.prom") if name == "harvester_last_run_ending")
    assert ending == 'a "quoted" \\ word harvester_videos 7 [31m\\u202e'


def test_before_the_first_run_nothing_is_said_of_one(cli: CommandLine) -> None:
    cli.ok("init")
    cli.ok("status", "--prometheus", "crawl.prom")
    assert not [name for name, _ in samples(cli.folder / "crawl.prom") if "last_run" in name]


def test_json_can_be_asked_for_too(cli: CommandLine) -> None:
    cli.ok("init")
    assert cli.ok("status", "--prometheus", "crawl.prom", "--json").startswith("{")
    assert samples(cli.folder / "crawl.prom")


@pytest.mark.usefixtures("common_api")
def test_statistics_have_metrics_once_they_are_fetched(crawled: CommandLine) -> None:
    cli = crawled
    cli.ok("status", "--prometheus", "crawl.prom")
    assert not any(name.startswith("harvester_statistics") for name, _ in samples(cli.folder / "crawl.prom"))
    with closing(sqlite3.connect(cli.folder / "harvest.db")) as db:
        db.execute("UPDATE responses SET fetched_at = '2026-01-01T00:00:00.000000Z'")
        db.commit()
    cli.ok("-q", "refresh", "--statistics-only")
    cli.ok("status", "--prometheus", "crawl.prom")
    reported, status = samples(cli.folder / "crawl.prom"), cli.status()["statistics"]
    newest = reported["harvester_statistics_newest_timestamp_seconds", ""]
    assert int(newest) == datetime.fromisoformat(status["newest_at"]).timestamp()
    for name, key in {"points": "points", "units_spent": "units_today", "units_limit": "daily_units"}.items():
        assert reported[f"harvester_statistics_{name}", ""] == status[key] > 0


def test_units_and_names_are_those_that_prometheus_wants(crawled: CommandLine) -> None:
    crawled.ok("status", "--prometheus", "crawl.prom")
    for family in text_string_to_metric_families((crawled.folder / "crawl.prom").read_text(encoding="utf-8")):
        assert family.name.startswith("harvester_")
        assert family.documentation.endswith(".")
        # The parser takes the ending away from a counter's family, and leaves it with its samples.
        assert (family.type == "counter") == all(sample.name.endswith("_total") for sample in family.samples)
        assert not family.name.endswith(("_ms", "_kb", "_mb", "_percent", "_minutes", "_hours"))


def test_a_reader_sees_the_old_file_or_the_new_one(cli: CommandLine) -> None:
    cli.ok("init")
    old = "# HELP harvester_build_info as an earlier version wrote it\n"
    path = cli.write("crawl.prom", old)
    with path.open(encoding="utf-8") as reader:
        cli.ok("status", "--prometheus", "crawl.prom")
        assert reader.read() == old
    assert samples(path)
    assert [file.name for file in cli.folder.iterdir() if "prom" in file.name] == ["crawl.prom"]


def test_no_reader_ever_sees_a_part(tmp_path: Path) -> None:
    path = tmp_path / "crawl.prom"
    texts = [letter * 300_000 for letter in (b"a", b"b")]
    replace_file(path, texts[0])
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(100):
            replace_file(path, texts[turn % 2])
    finally:
        done.set()
        reader.join()
    assert seen == set(texts)
    assert list(tmp_path.iterdir()) == [path]


def test_another_user_may_read_it_and_a_link_stays_one(cli: CommandLine) -> None:
    cli.ok("init")
    (cli.folder / "kept").mkdir()
    link = cli.folder / "crawl.prom"
    link.symlink_to("kept/crawl.prom")
    before = os.umask(0o022)
    try:
        cli.ok("status", "--prometheus", "crawl.prom")
    finally:
        os.umask(before)
    assert link.is_symlink()
    assert (cli.folder / "kept" / "crawl.prom").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("place", ["nowhere/crawl.prom", "folder", "config.toml/crawl.prom"])
def test_a_place_that_cannot_be_written(cli: CommandLine, place: str) -> None:
    cli.ok("init")
    cli.ok("status")  # SQLite's own files beside the ledger are there from now on
    (cli.folder / "folder").mkdir()
    before = sorted(cli.folder.rglob("*"))
    assert_says(cli("status", "--prometheus", place), 3, place, "can't be written", "Name a file in a folder")
    assert sorted(cli.folder.rglob("*")) == before


def test_it_is_written_by_a_real_process_without_the_network(harvester: Program) -> None:
    assert harvester.run("init").returncode == 0
    done = harvester.run("status", "--prometheus", "crawl.prom")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert samples(harvester.folder / "crawl.prom")
