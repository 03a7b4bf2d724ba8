"""refresh --statistics-only as a person uses it, up to what is published."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pyarrow.parquet as pq
import pytest
from command_line import Api, CommandLine

VIDEOS = 120
COUNTS = ("viewCount", "likeCount", "commentCount")


@pytest.fixture
def crawled(cli: CommandLine, api: Api) -> CommandLine:
    cli.ok("init")
    cli.load(VIDEOS)
    cli.ok("-q", "run")
    with closing(sqlite3.connect(cli.folder / "harvest.db")) as db:
        db.execute("UPDATE responses SET fetched_at = '2026-01-01T00:00:00.000000Z'")
        db.commit()
    return cli


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
    assert crawled.status() == before
    report = api.simulator.report()
    assert [day["units"] for day in report["statistics_days"].values()] == [3]
    assert [day["units"] for day in report["days"].values()] == [33]
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


def test_without_an_age_the_rest_is_not_refreshed(crawled: CommandLine) -> None:
    result = crawled("refresh")
    assert (result.exit_code, "--older-than says what is old" in result.stderr) == (2, True)
