"""refresh --statistics-only as a person uses it, up to what is published."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from command_line import Api, CommandLine
from terminal_kit import Terminal

VIDEOS = 120
COUNTS = ("viewCount", "likeCount", "commentCount")


@pytest.fixture
def crawled(crawled: CommandLine, api: Api) -> CommandLine:
    """A crawl of long ago; this API has not been asked anything yet."""
    with closing(sqlite3.connect(crawled.folder / "harvest.db")) as db:
        db.execute("UPDATE responses SET fetched_at = '2026-01-01T00:00:00.000000Z'")
        db.commit()
    return crawled


def published(cli: CommandLine) -> list[dict[str, Any]]:
    cli.ok("-q", "export", "songs.jsonl", "--format", "jsonl")
    cli.ok("-q", "verify", "--export", "songs.jsonl")
    return [json.loads(line) for line in (cli.folder / "songs.jsonl").read_text(encoding="utf-8").split("\n") if line]


def one_more(video: dict[str, Any]) -> dict[str, Any]:
    """What the simulated API says of it."""
    counts = {name: str(int(n) + (name in COUNTS)) for name, n in video["statistics"].items()}
    return video | {"statistics": counts}


def test_new_counts_are_published_and_nothing_else_is_touched(crawled: CommandLine, api: Api) -> None:
    before, old_videos = crawled.status(), published(crawled)
    crawled.ok("-q", "export", "before.json")
    fetched = before["videos"]["fetched"]
    assert crawled.ok("refresh", "--statistics-only", "--dry-run").splitlines() == [
        f"The statistics of 3 responses are older than 1 day. They hold {fetched} videos.",
        "Would send 3 calls now and spend 3 of the 10,000 units left today.",
        "Nothing was sent, spent or changed.",
    ]
    assert crawled.ok("refresh", "--statistics-only").splitlines() == [
        f"Refreshed {fetched} videos in 3 calls (3 units): {fetched} with new counts, 0 with those of before.",
        "No statistics are older than 1 day.",
    ]
    nothing = {"newest_at": None, "points": 0, "keep_days": 30, "units_today": 0, "daily_units": 10_000}
    after = crawled.status()
    assert before["statistics"] == nothing
    assert after["statistics"].pop("newest_at") is not None
    assert after["statistics"] == {"points": fetched, "keep_days": 30, "units_today": 3, "daily_units": 10_000}
    assert after | {"statistics": nothing} == before
    assert f"{fetched} counts in 30 days, the newest at " in crawled.ok("status")
    assert "3 of 10,000 units of their own spent today" in crawled.ok("status")
    report = api.simulator.report()
    assert [day["units"] for day in report["statistics_days"].values()] == [3]
    assert report["days"] == {}
    # The export of before is of a ledger that has moved on.
    crawled.ok("verify", "--export", "before.json")
    new_videos = published(crawled)
    assert new_videos == [one_more(video) for video in old_videos] != old_videos
    crawled.ok("-q", "export", "songs.parquet", "--format", "parquet")
    columns = pq.read_table(crawled.folder / "songs.parquet", columns=[f"statistics_{name}" for name in COUNTS])
    assert columns.to_pylist() == [
        {f"statistics_{name}": int(n) if (n := video["statistics"].get(name)) else None for name in COUNTS}
        for video in new_videos
    ]
    # json stays what videos.list sent.
    crawled.ok("-q", "export", "after.json")
    assert (crawled.folder / "after.json").read_bytes() == (crawled.folder / "before.json").read_bytes()


def test_they_have_a_quota_of_their_own(crawled: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_QUOTA__STATISTICS_DAILY_UNITS", "2")
    monkeypatch.setenv("HARVESTER_QUOTA__DAILY_UNITS", "33")
    assert crawled.ok("refresh", "--statistics-only").splitlines()[1:] == [
        "Budget spent. The statistics of 1 response are still older than 1 day.",
        "Run it again after the quota's reset.",
    ]
    crawled.ok("verify")


def test_faults_are_met_as_a_run_meets_them(crawled: CommandLine, api: Api) -> None:
    api.simulator.script("wrong_kind", "cut_body")
    assert " in 5 calls (5 units): " in crawled.ok("refresh", "--statistics-only", "--older-than", "1h")
    crawled.ok("verify")


def test_an_answer_that_can_not_be_accepted_once_is_asked_for_once_more(crawled: CommandLine, api: Api) -> None:
    """An answer to another id tells that the API works: to a probe, where no other call's came in between."""
    api.simulator.script("unexpected_id")
    output = crawled.ok("refresh", "--statistics-only", "--older-than", "1h")
    probed = "probe 1" in output
    assert f" in {4 + probed} calls ({4 + probed} units): " in output
    assert ("2 calls brought nothing: unexpected_id 1, probe 1." if probed else "1 call brought nothing") in output
    assert "No statistics are older than 1 hour." in output
    crawled.ok("verify")


@pytest.fixture
def daily(crawled: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("HARVESTER_STATISTICS__EVERY", "1d")
    return crawled


def grow_older(cli: CommandLine, days: int) -> None:
    """As if everything had been fetched so many days earlier."""
    with closing(sqlite3.connect(cli.folder / "harvest.db")) as db:
        for table, column in (("responses", "fetched_at"), ("calls", "finished_at")):
            at = f"replace(strftime('%Y-%m-%d %H:%M:%f', {column}, '-{days} days'), ' ', 'T') || '000Z'"
            db.execute(f"UPDATE {table} SET {column} = {at}")
        db.commit()


def stored(cli: CommandLine) -> list[int]:
    """How many answers each endpoint brought that are stored."""
    with closing(sqlite3.connect(cli.folder / "harvest.db")) as db:
        query = "SELECT endpoint, count(*) FROM responses JOIN calls ON id = call_id GROUP BY endpoint ORDER BY 1"
        return [number for _, number in db.execute(query)]


def test_the_daily_run_fetches_them_once_a_day(daily: CommandLine, api: Api) -> None:
    fetched = daily.status()["videos"]["fetched"]
    assert "Would send 3 calls now and spend 3 of the 10,000 units left today." in daily.ok("run", "--dry-run")
    one_call = daily.ok("run", "--max-calls", "1")
    assert one_call.splitlines()[2] == "Call limit reached: the next run goes on with the statistics."
    rest = daily.ok("run").splitlines()
    assert rest[1].startswith("Statistics of ")
    assert rest[1].endswith(" with those of before.")
    assert " in 2 calls (2 units): " in rest[1]
    assert "tatistics" not in daily.ok("run")
    days = api.simulator.report()["statistics_days"].values()
    assert [day["units"] for day in days] == [3]
    grow_older(daily, days=1)
    assert f"Statistics of {fetched} videos in 3 calls (3 units): " in daily.ok("run")
    assert stored(daily) == [6, 3]
    daily.ok("verify")


def test_what_was_fetched_today_is_new_enough(cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_STATISTICS__EVERY", "1d")
    cli.ok("init")
    cli.load(VIDEOS)
    assert "tatistics" not in cli.ok("run")
    assert api.simulator.report()["statistics_days"] == {}


def rows(db_file: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db_file)) as db:
        return db.execute(query).fetchall()


def test_the_history_is_a_table_of_each_export_that_can_hold_one(daily: CommandLine) -> None:
    daily.ok("-q", "run")
    fetched = daily.status()["videos"]["fetched"]
    places = ["s.csv", "s.jsonl.gz", "s.parquet", "s.db"]
    for place in places:
        assert f": {2 * fetched} rows of statistics, " in daily.ok("export", place, "--table", "statistics")
    daily.ok("-q", "export", "songs.db", "--datasette-metadata")
    same = "SELECT * FROM statistics ORDER BY rowid"
    assert rows(daily.folder / "songs.db", same) == rows(daily.folder / "s.db", same)
    counts = "SELECT id, viewCount FROM statistics JOIN videos USING (id) WHERE viewCount = statistics_viewCount"
    assert len(rows(daily.folder / "songs.db", counts)) >= fetched / 2
    for place in [*places, "songs.db"]:
        daily.ok("verify", "--export", place)
    described = json.loads((daily.folder / "songs.db.metadata.json").read_text(encoding="utf-8"))
    assert "statistics" in described["databases"]["songs"]["tables"]
    streamed = daily("-q", "export", "-", "--table", "statistics", "--format", "csv").stdout_bytes
    assert streamed == (daily.folder / "s.csv").read_bytes()
    # What is deleted later is no fault of these files.
    daily.ok("-q", "run")
    for days in (20, 20):
        grow_older(daily, days)
        daily.ok("-q", "run")
    for place in [*places, "songs.db"]:
        daily.ok("verify", "--export", place)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["s.json"], 3, "add --format csv"),
        (["s", "--format", "csv", "--max-part-bytes", "100000"], 3, "the table of statistics is one file"),
        ([], 2, "name another, such as statistics.parquet"),
    ],
)
def test_what_no_table_can_be_is_refused(crawled: CommandLine, arguments: list[str], code: int, message: str) -> None:
    refused = crawled("export", *arguments, "--table", "statistics")
    assert (refused.exit_code, message in refused.stderr) == (code, True), refused.stderr


def test_a_setting_of_parts_is_for_videos(crawled: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_EXPORT__MAX_PART_BYTES", "100000")
    assert "rows of statistics" in crawled.ok("export", "s.csv", "--table", "statistics")


def test_they_are_deleted_after_their_days(daily: CommandLine) -> None:
    for _ in range(3):
        daily.ok("-q", "run")
        grow_older(daily, days=20)
    assert stored(daily) == [6, 3]  # the third run deleted the first ones
    before = published(daily)
    assert daily.ok("prune", "--dry-run") == (
        "statistics         3  answers would be deleted, older than statistics.keep_days = 30\n"
    )
    assert daily.ok("prune") == "statistics         3  answers deleted, older than statistics.keep_days = 30\n"
    assert published(daily) == before
    grow_older(daily, days=20)
    assert daily.ok("prune").split()[:2] == ["statistics", "0"]  # the newest stay with their responses
    daily.ok("verify")
    pruned = daily.ok("prune", "--older-than", "30d", "--yes").splitlines()
    assert [line.split()[:2] for line in pruned[:2]] == [["responses", "3"], ["videos", str(len(before))]]
    assert any(line.startswith("statistics         3  answers deleted") for line in pruned)
    assert stored(daily) == []
    daily.ok("verify")


def test_on_a_terminal_they_are_deleted_even_if_no_response_is_old(daily: CommandLine) -> None:
    for _ in range(3):
        daily.ok("-q", "run")
        grow_older(daily, days=20)
    with Terminal(daily.folder, "prune", "--older-than", "9999d", columns=120) as terminal:
        assert terminal.ended() == 0
    assert "statistics         3  answers deleted" in terminal.output
    assert "Delete them?" not in terminal.output


@pytest.mark.parametrize("every", ["12h", "0d", "1", "daily"])
def test_every_is_a_number_of_whole_days(cli: CommandLine, monkeypatch: pytest.MonkeyPatch, every: str) -> None:
    monkeypatch.setenv("HARVESTER_STATISTICS__EVERY", every)
    result = cli("status")
    assert (result.exit_code, "statistics.every" in result.stderr) == (3, True)


def test_doctor_and_plan_reckon_with_them(daily: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Statistics of all videos take 3 units each 1d, of 10,000 a day." in daily.ok("doctor", "--offline")
    assert "units each 1d, of another quota" in daily.ok("plan", "--videos", "120")
    monkeypatch.setenv("HARVESTER_QUOTA__STATISTICS_DAILY_UNITS", "2")
    assert 'and a day has 2. Set statistics.every = "2d" or more.' in daily.ok("doctor", "--offline")


def test_without_an_age_the_rest_is_not_refreshed(crawled: CommandLine) -> None:
    result = crawled("refresh")
    assert (result.exit_code, "--older-than says what is old" in result.stderr) == (2, True)
