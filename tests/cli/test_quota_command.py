"""quota, prices and parts as a person meets them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from command_line import Api, CommandLine
from terminal_kit import Terminal


def days(cli: CommandLine) -> dict[str, list[str]]:
    """Of today: calls, spent, by others, of, left, closed."""
    return {line.split("\t")[0]: line.split("\t")[2:] for line in cli.ok("quota").splitlines()}


def change(cli: CommandLine, statement: str) -> None:
    with closing(sqlite3.connect(cli.folder / "harvest.db")) as db:
        db.execute(statement)
        db.commit()


def test_a_day_that_was_closed_is_opened_again_and_others_are_left_their_units(cli: CommandLine, api: Api) -> None:
    cli.load(200)
    assert days(cli)["videos.list"] == ["0", "0", "0", "10000", "10000", ""]
    assert "9,960 units" in cli.ok("quota", "--spent", "9960")
    assert "Would send 3 calls" in cli.ok("run", "--dry-run")
    cli.ok("-q", "run")
    status = cli.status()["quota"]
    assert (status["spent"], status["spent_by_others"], status["remaining"]) == (33, 9_960, 7)
    today = status["day"]
    assert days(cli)["videos.list"] == ["3", "33", "9960", "10000", "7", ""]
    assert days(cli)["videos:batchGetStats"] == ["0", "0", "0", "10000", "10000", ""]
    cli.ok("verify")
    cli.ok("quota", "--spent", "0")
    assert cli.status()["quota"]["remaining"] == 9_967
    change(cli, f"UPDATE quota_days SET closed_by_server_at = '{today}T12:00:00.000000Z'")
    assert days(cli)["videos.list"][-2:] == ["0", f"{today} 12:00"]
    assert cli.status()["quota"]["closed_by_server"]
    assert cli.ok("quota", "--reopen", today) == f"{today} is open again.\n"
    cli.ok("-q", "run")
    assert (cli.status()["videos"]["pending"], api.calls) == (0, 4)
    assert cli("quota", "--reopen", today).exit_code == 3
    assert cli("quota", "--reopen", "yesterday").exit_code == 2
    assert cli("quota", "--statistics").exit_code == 2


def test_a_price_that_the_days_contradict_is_told(cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_QUOTA__UNITS_PER_CALL", "1")
    cli.load(100)
    cli.ok("-q", "run", "--max-calls", "1")
    change(
        cli, "UPDATE quota_days SET calls = 909, calls_ok = 909, closed_by_server_at = '2026-11-23T12:00:00.000000Z'"
    )
    fits = "That fits 11 units a call: set quota.units_per_call = 11"
    assert fits in cli.ok("status").replace("\n", " ")
    assert fits in cli("run").stderr
    findings = json.loads(cli("doctor", "--offline", "--json").stdout)["findings"]
    found = {finding["check"]: finding for finding in findings}
    assert found["price"]["level"] == "warning"
    assert "set quota.units_per_call = 11" in found["price"]["next_step"]
    monkeypatch.setenv("HARVESTER_QUOTA__UNITS_PER_CALL", "11")
    assert fits not in cli.ok("status").replace("\n", " ")


def test_a_plan_shows_the_days_at_one_unit(cli: CommandLine) -> None:
    lines = [line.split() for line in cli.ok("plan", "--videos", "631348").splitlines()]
    assert [line[1] for line in lines if line[0] == "days"] == ["14", "2"]
    lines = [line.split() for line in cli.ok("plan", "--videos", "631348", "--units-per-call", "1").splitlines()]
    assert [line[1] for line in lines if line[0] == "days"] == ["2"]


def test_parts_that_were_changed_are_told_and_fetched_again(
    cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_YOUTUBE__PARTS", '["statistics", "snippet"]')
    cli.load(120)
    cli.ok("-q", "run", "--max-calls", "2")
    reported = "2 stored responses were asked for with other parts: harvester refresh --changed-parts"
    assert "other parts" not in cli.ok("status") + cli.ok("verify")
    monkeypatch.setenv("HARVESTER_YOUTUBE__PARTS", '["snippet", "contentDetails"]')
    assert reported in cli.ok("status")
    assert reported in cli.ok("verify")
    assert reported in cli("run").stderr
    cli.ok("-q", "export", "songs.json")
    manifest = json.loads((cli.folder / "songs.json.manifest.json").read_text(encoding="utf-8"))
    assert sorted(manifest["asked_for"], key=str) == [
        {"parts": ["contentDetails", "snippet"], "responses": 1},
        {"parts": ["snippet", "statistics"], "responses": 2},
    ]
    assert manifest["loads"][0]["rows"] == 120
    assert "Would send 2 calls" in cli.ok("refresh", "--changed-parts", "--dry-run")
    assert "still" not in cli.ok("refresh", "--changed-parts")
    assert "No stored response is of other parts" in cli.ok("refresh", "--changed-parts")
    assert "other parts" not in cli.ok("status") + cli.ok("verify")
    cli.ok("-q", "export", "songs.jsonl", "--format", "jsonl")
    with (cli.folder / "songs.jsonl").open(encoding="utf-8", newline="\n") as lines:
        videos = [json.loads(line) for line in lines]
    assert {frozenset(video) & {"statistics", "contentDetails"} for video in videos} == {frozenset({"contentDetails"})}
    assert cli("refresh", "--changed-parts", "--older-than", "1d").exit_code == 2


@pytest.mark.parametrize(("answer", "left"), [("n\n", 1), ("y\n", 0)])
def test_prune_asks_on_a_terminal(cli: CommandLine, api: Api, answer: str, left: int) -> None:
    cli.load(50)
    cli.ok("-q", "run")
    change(cli, "UPDATE responses SET fetched_at = '2020-01-01T00:00:00.000000Z'")
    with Terminal(cli.folder, "prune", "--older-than", "30d", columns=120) as terminal:
        terminal.until("Delete them? [y/N]:")
        assert "again costs 1 call and 11 units, at 11 a call." in terminal.output
        terminal.type(answer)
        assert terminal.ended() == 0
    assert cli.status()["responses"]["count"] == left
