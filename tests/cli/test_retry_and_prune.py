"""retry, refresh and prune as a person uses them, and what the other commands say then."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from command_line import Api, CommandLine
from crawled_ledger import crawled_ledger, in_order

VIDEOS = 400


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight calls, four of them of long ago."""
    path = tmp_path_factory.mktemp("crawled") / "harvest.db"
    crawled_ledger(path, VIDEOS, in_order(VIDEOS), missing_share=0.1)
    change(path, "UPDATE responses SET fetched_at = '2020-01-01T00:00:00.000000Z' WHERE call_id <= 4")
    change(path, "UPDATE responses SET fetched_at = '2100-01-01T00:00:00.000000Z' WHERE call_id > 4")
    return path


@pytest.fixture
def crawled(cli: CommandLine, ledger: Path) -> CommandLine:
    shutil.copytree(ledger.parent, cli.folder, dirs_exist_ok=True)
    return cli


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def figures(cli: CommandLine, *arguments: str) -> dict[str, int]:
    """The number of each line that has one."""
    lines = [line.split() for line in cli.ok(*arguments).splitlines()]
    return {words[0]: int(words[1].replace(",", "")) for words in lines if words[1].replace(",", "").isdigit()}


def fail_some(cli: CommandLine) -> None:
    """By calls that ended so, entered by hand with all that is counted of them."""
    for number, (reason, ids) in enumerate({"timeout": 3, "backendError": 2}.items(), 100):
        change(
            cli.folder / "harvest.db",
            "INSERT INTO calls (id, run_id, quota_day, units, ids, attempt, first_position, last_position, state,"
            f" reason, started_at, finished_at) VALUES ({number}, 1, '2026-11-23', 0, {ids}, 1, 401, 405, 'failed',"
            f" '{reason}', '2026-11-23T10:00:00.000000Z', '2026-11-23T10:00:00.000000Z')",
            "UPDATE quota_days SET calls = calls + 1, calls_failed = calls_failed + 1",
            *(
                f"INSERT INTO videos (video_id, state, call_id) VALUES ('{number}{n:07}A', 4, {number})"
                for n in range(ids)
            ),
            f"UPDATE video_states SET videos = videos + {ids} WHERE code = 4",
            "UPDATE video_states SET first_position = 406 WHERE code = 0",
        )
    cli.ok("verify")


def test_retry_of_failed_ids_which_the_next_run_settles(crawled: CommandLine, api: Api) -> None:
    fail_some(crawled)
    assert figures(crawled, "retry", "--reason", "timeout", "--dry-run") == {"failed": 3}
    assert crawled.status()["videos"]["failed"] == 5
    assert figures(crawled, "retry", "--reason", "timeout") == {"failed": 3}
    assert figures(crawled, "retry") == {"failed": 2}
    assert figures(crawled, "retry", "--failed") == {"failed": 0}
    status = crawled.status()["videos"]
    assert (status["failed"], status["pending"]) == (0, 5)
    crawled.ok("verify")
    crawled.ok("-q", "run")
    assert (crawled.status()["videos"]["pending"], api.calls) == (0, 1)
    crawled.ok("verify")


@pytest.mark.parametrize(
    ("options", "named"), [(["--missing"], ["missing"]), (["--failed", "--missing"], ["failed", "missing"])]
)
def test_retry_of_missing_ids(crawled: CommandLine, options: Sequence[str], named: Sequence[str]) -> None:
    missing = crawled.status()["videos"]["missing"]
    found = figures(crawled, "retry", *options)
    assert found == {"failed": 0, "missing": missing} if "failed" in named else {"missing": missing}
    assert crawled.status()["videos"]["pending"] == missing
    crawled.ok("verify")


def test_prune_deletes_what_is_old_and_the_next_run_fetches_it(crawled: CommandLine, api: Api) -> None:
    before = crawled.status()
    would = figures(crawled, "prune", "--older-than", "30d", "--dry-run")
    assert crawled.status() == before
    printed = crawled.ok("prune", "--older-than", "30d")
    assert "VACUUM" in printed
    after = crawled.status()
    assert would == {"responses": 4, "videos": after["videos"]["pending"]}
    assert after["responses"]["count"] == 4
    with closing(sqlite3.connect(crawled.folder / "harvest.db")) as db:
        stored = db.execute("SELECT count(*), sum(raw_bytes), sum(stored_bytes) FROM responses").fetchone()
    assert tuple(after["responses"].values()) == stored
    assert (after["calls"], after["videos"]["missing"]) == (before["calls"], before["videos"]["missing"])
    assert "8 calls on 1 day, 4 stored responses" in crawled.ok("verify")
    crawled.ok("-q", "export", "songs.json")
    published = json.loads((crawled.folder / "songs.json").read_text(encoding="utf-8"))
    assert sum(len(response["items"]) for response in published) == after["videos"]["fetched"]
    crawled.ok("verify", "--export", "songs.json")
    crawled.ok("-q", "run")
    assert crawled.status()["videos"]["pending"] == 0
    crawled.ok("verify")
    assert figures(crawled, "prune", "--older-than", "4w") == {"responses": 0, "videos": 0}


def test_refresh_fetches_again_what_is_old(crawled: CommandLine, api: Api) -> None:
    before = crawled.status()
    with closing(sqlite3.connect(crawled.folder / "harvest.db")) as db:
        (videos,) = db.execute("SELECT sum(item_count) FROM responses WHERE call_id <= 4").fetchone()
    assert "harvester refresh --older-than 25d" in crawled.ok("status")
    assert crawled.ok("refresh", "--older-than", "25d", "--dry-run").splitlines() == [
        f"4 responses are older than 25 days. They hold {videos:,} videos.",
        "Would send 4 calls now and spend 44 of the 10,000 units left today.",
        "Nothing was sent, spent or changed.",
    ]
    assert crawled.status() == before
    first = crawled.ok("refresh", "--older-than", "25d", "--max-calls", "1")
    assert first.endswith("Call limit reached. 3 responses are still older than 25 days.\n")
    crawled.ok("verify")
    crawled.ok("-q", "export", "songs.json", "--require-complete")
    second = crawled.ok("refresh", "--older-than", "25d")
    assert " in 3 calls (33 units): " in second
    assert second.endswith("No stored response is older than 25 days.\n")
    after = crawled.status()
    assert (after["responses"]["count"], after["calls"]["ok"], api.calls) == (8, 12, 4)
    assert after["videos"]["fetched"] + after["videos"]["missing"] == VIDEOS
    assert "harvester refresh" not in crawled.ok("status")
    crawled.ok("verify")
    crawled.ok("verify", "--export", "songs.json")
    assert crawled.ok("refresh", "--older-than", "600h") == "No stored response is older than 25 days.\n"
    assert api.calls == 4


def test_refresh_on_a_day_that_is_spent_says_when_to_go_on(
    crawled: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_QUOTA__DAILY_UNITS", "33")
    assert "Would send 3 calls now and spend 33 of the 33" in crawled.ok("refresh", "--older-than", "4w", "--dry-run")
    assert crawled.ok("refresh", "--older-than", "4w").splitlines()[1:] == [
        "Budget spent. 1 response is still older than 28 days.",
        "Run it again after the quota's reset.",
    ]
    crawled.ok("verify")


@pytest.mark.parametrize("age", ["", "30", "d", "0d", "-1d", "1.5d", "30D", "30 d", "١d", "999999w", "30d\n", "nan"])
def test_nonsense_is_no_age(crawled: CommandLine, age: str) -> None:
    before = crawled.status()
    result = crawled("prune", "--older-than", age)
    assert (result.exit_code, "write 30d, 12h or 4w" in result.stderr) == (2, True)
    assert crawled.status() == before


def test_a_missing_id_has_no_reason(crawled: CommandLine) -> None:
    result = crawled("retry", "--missing", "--reason", "timeout")
    assert (result.exit_code, "--reason is of failed ids" in result.stderr) == (2, True)


@pytest.mark.parametrize("line", ["retry", "retry --dry-run", "prune --older-than 1d", "refresh --older-than 1d"])
def test_without_a_ledger_they_say_so(cli: CommandLine, line: str) -> None:
    result = cli(*line.split())
    assert (result.exit_code, "There is no ledger" in result.stderr) == (3, True)
    assert not (cli.folder / "harvest.db").exists()
