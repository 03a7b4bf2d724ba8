"""What the JSON lines of a run tell of it and of its calls, beside the message."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from children import Simulate
from command_line import Api, CommandLine

from harvester.quota_calendar import day_start, quota_day

CALL_FIELDS = {"run_id", "call_id", "quota_day", "units", "attempt", "reason"}


def lines_of(crawl: CommandLine, *command: str) -> list[dict[str, Any]]:
    result = crawl("--log-format", "json", "-v", *command)
    return [json.loads(line) for line in result.stderr.splitlines()]


def calls_in_ledger(crawl: CommandLine) -> dict[int, tuple[int, str, int, int]]:
    query = "SELECT id, run_id, quota_day, units, attempt FROM calls"
    with closing(sqlite3.connect(crawl.folder / "harvest.db")) as db:
        return {call_id: tuple(rest) for call_id, *rest in db.execute(query)}


def test_each_call_has_its_fields_as_the_ledger_has_them(cli: CommandLine, api: Api) -> None:
    cli.load(120)
    api.simulator.script("503", "503")
    reported = [line for line in lines_of(cli, "run") if "call_id" in line]
    assert all(set(line) >= CALL_FIELDS for line in reported)
    assert {
        line["call_id"]: (line["run_id"], line["quota_day"], line["units"], line["attempt"]) for line in reported
    } == calls_in_ledger(cli)
    reasons = sorted((line["reason"], line["attempt"]) for line in reported)
    assert [reason for reason, _ in reasons] == ["backendError"] * 2 + ["ok"] * 3
    assert sorted(attempt for reason, attempt in reasons if reason == "ok") == [1, 2, 2]


def test_what_the_api_says_of_the_day_names_the_day_and_the_reason(
    cli: CommandLine, simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In the first minutes of a day no answer closes it. The run goes by the API's clock: at noon, whenever this is run.
    today = day_start(quota_day(datetime.now(UTC)))
    simulator = simulate(clock_start=today + timedelta(hours=12))
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", simulator.base_url)
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    cli.load(50)
    simulator.script("429_per_day")
    lines = [line for line in lines_of(cli, "run") if line["level"] == "WARNING"]
    # A busy machine may be warned of other things too.
    (closed,) = (line for line in lines if "quota of" in line["message"])
    assert closed["quota_day"] == cli.status()["quota"]["day"]
    assert (closed["run_id"], closed["call_id"]) == (1, 1)
    assert closed["reason"] in closed["message"]


@pytest.mark.usefixtures("api")
def test_text_lines_have_no_fields(cli: CommandLine) -> None:
    cli.load(50)
    lines = cli("-v", "run").stderr.splitlines()
    assert any(line.endswith(" DEBUG   call 1: 47 fetched, 3 missing") for line in lines), lines
