"""run and status: what is done, what is shown, and that looking changes nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from command_line import Api, CommandLine

from harvester import clock
from harvester.ledger.open import open_ledger
from harvester.model import Batch, Budget, ProcessIdentity

KEYS = {
    "videos": {"total", "pending", "claimed", "fetched", "missing", "failed", "invalid"},
    "calls": {"total", "ok", "failed", "abandoned"},
    "quota": {"day", "daily_units", "units_per_call", "spent", "remaining", "closed_by_server", "resets_at"},
    "responses": {"count", "raw_bytes", "stored_bytes"},
    "progress": {"percent", "days_run", "days_left", "finishes_on"},
    "listings": {"total", "unfinished", "failed", "capped", "pages", "found", "new", "pages_left", "each"},
    "statistics": {"newest_at", "points", "keep_days", "units_today", "daily_units"},
    "pace": {"videos_a_day", "possible_a_day", "finishes_on"},
}
ADDED = {"calls": {"open"}, "quota": {"spent_by_others", "clock_hint"}}
"""Keys that came later: programs may not rely on there being no others, but here is the list."""


def assert_adds_up(status: dict[str, Any]) -> None:
    assert (status["name"], status["ledger"]) == ("crawl", "harvest.db")
    assert {load["source"] for load in status["loads"]} == ({"songs.csv"} if status["videos"]["total"] else set())
    sections = {section: set(keys) for section, keys in status.items() if section not in ("name", "ledger", "loads")}
    assert sections == {section: keys | ADDED.get(section, set()) for section, keys in KEYS.items()}
    videos, calls, quota = status["videos"], status["calls"], status["quota"]
    assert videos["total"] == sum(count for state, count in videos.items() if state != "total")
    assert calls["total"] == sum(count for state, count in calls.items() if state != "total")
    assert quota["spent"] + quota["remaining"] == quota["daily_units"]
    assert status["responses"]["count"] == calls["ok"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", quota["day"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT0[78]:00:00Z", quota["resets_at"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", status["progress"]["finishes_on"])


def test_status_of_an_empty_ledger(cli: CommandLine) -> None:
    cli.ok("init")
    status = cli.status()
    assert_adds_up(status)
    assert (status["progress"]["percent"], status["progress"]["days_left"]) == (0.0, 0)
    assert "The ledger is empty. Next: harvester load SOURCE" in cli.ok("status")


def test_status_of_a_crawl_that_has_begun(cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_QUOTA__DAILY_UNITS", "45")
    cli.load(1_000)
    cli.ok("run")
    status = cli.status()
    assert_adds_up(status)
    assert status["videos"]["pending"] == 800
    assert status["calls"] | {"open": 0} == {"total": 4, "ok": 4, "failed": 0, "abandoned": 0, "open": 0}
    assert (status["quota"]["spent"], status["quota"]["remaining"]) == (44, 1)
    assert status["progress"] == {
        "percent": 20.0,
        "days_run": 1,
        "days_left": 4,
        "finishes_on": status["progress"]["finishes_on"],
    }
    assert 0 < status["responses"]["stored_bytes"] < status["responses"]["raw_bytes"]
    shown = cli.ok("status")
    assert "20.0% of 1,000 ids" in shown
    assert "44 of 45 units spent" in shown
    assert "Nothing to do until the quota is reset" in shown


def test_status_of_a_crawl_that_is_done(cli: CommandLine, api: Api) -> None:
    cli.load([*cli.load(120), "not an id"])
    cli.ok("run")
    status = cli.status()
    assert_adds_up(status)
    videos = status["videos"]
    assert (videos["pending"], videos["claimed"], videos["invalid"]) == (0, 0, 1)
    assert videos["fetched"] + videos["missing"] == 120
    assert (status["progress"]["percent"], status["progress"]["days_left"]) == (100.0, 0)
    shown = cli.ok("status")
    assert "100.0% of 120 ids" in shown
    assert "Every id is settled. Next: harvester export" in shown
    assert "nothing left" in shown


def test_status_tells_of_calls_that_brought_nothing(cli: CommandLine, api: Api) -> None:
    cli.load(120)
    api.simulator.script("503", "500")
    assert "2 calls brought nothing: backendError 2." in cli.ok("run")
    status = cli.status()
    assert_adds_up(status)
    assert (status["calls"]["ok"], status["calls"]["failed"]) == (3, 2)
    assert "5: 3 good, 2 failed, 0 abandoned" in cli.ok("status")


def test_run_says_what_it_did_and_what_is_left(cli: CommandLine, api: Api) -> None:
    cli.load(1_000)
    assert cli.ok("run", "--max-calls", "3").splitlines()[0].startswith("Call limit reached: 3 calls, 33 units, ")
    assert "800 of 1,000 ids are left." in cli.ok("run", "--max-calls", "1")
    finished = cli.ok("run").splitlines()
    assert finished[0].startswith("Nothing left: 16 calls, 176 units, ")
    assert finished[-2] == "Every id is settled."
    assert re.fullmatch(r"Took [\d.]+ s\. Next: harvester export", finished[-1])
    assert cli.ok("-q", "run").splitlines()[-1] == "Every id is settled."
    assert api.calls == 20


def test_a_spent_day_ends_well_and_says_when_to_come_back(
    cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_QUOTA__DAILY_UNITS", "22")
    cli.load(1_000)
    lines = cli.ok("run").splitlines()
    assert lines[0].startswith("Budget spent: 2 calls, 22 units, ")
    assert lines[1] == "900 of 1,000 ids are left."
    reset = r"Nothing to do until the quota is reset at 0[78]:00 UTC\. Then: harvester run"
    assert re.fullmatch(rf"Took [\d.]+ s\. {reset}", lines[2])
    assert len(lines) == 3
    assert cli.ok("run").startswith("Budget spent: 0 calls, 0 units")
    nothing = (
        "Nothing would be sent: a call costs 11 units, and 0 are left today.\nRun it again after the quota's reset.\n"
    )
    assert cli.ok("run", "--dry-run") == nothing
    # What is left is planned from the next day on.
    assert re.search(rf"^days +9  \S+ to {cli.status()['progress']['finishes_on']}$", cli.ok("plan"), re.MULTILINE)


def test_a_dry_run_sends_spends_and_changes_nothing(cli: CommandLine, api: Api) -> None:
    cli.load(1_000)
    cli.ok("run", "--max-calls", "3")
    path = cli.folder / "harvest.db"
    before = hashlib.sha256(path.read_bytes()).digest()
    shown = cli.ok("run", "--dry-run")
    assert shown.startswith("Would send 17 calls for 850 ids and spend 187 of the 9,967 units left today.")
    assert "Nothing was sent, spent or changed." in shown
    limited = cli.ok("run", "--dry-run", "--max-calls", "2")
    assert limited.startswith("Would send 2 calls for 100 ids and spend 22 of")
    assert hashlib.sha256(path.read_bytes()).digest() == before
    # What is not in that file yet would stand in the one next to it.
    assert (cli.folder / "harvest.db-wal").stat().st_size == 0
    assert api.calls == 3


def test_a_dry_run_needs_no_key_and_promises_what_the_run_then_does(
    cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.load(777)
    monkeypatch.delenv("YOUTUBE_API_KEY")
    promised = re.match(r"Would send (\d+) calls for (\d+) ids and spend (\d+)", cli.ok("run", "--dry-run"))
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    assert promised is not None
    cli.ok("run")
    status = cli.status()
    done = (status["calls"]["total"], 777 - status["videos"]["pending"], status["quota"]["spent"])
    assert tuple(int(number) for number in promised.groups()) == done


def test_a_dry_run_of_nothing_says_so(cli: CommandLine) -> None:
    cli.ok("init")
    assert cli.ok("run", "--dry-run").startswith("Nothing would be sent: no id is pending.")


@pytest.mark.parametrize("line", ["status", "status --json", "verify", "plan", "run --dry-run"])
def test_looking_changes_nothing(cli: CommandLine, api: Api, line: str) -> None:
    cli.load(200)
    cli.ok("run", "--max-calls", "2")
    path = cli.folder / "harvest.db"
    before = path.read_bytes()
    cli.ok(*line.split())
    assert path.read_bytes() == before
    assert api.calls == 2


def test_status_for_programs_is_one_json_object(cli: CommandLine) -> None:
    cli.ok("init")
    assert isinstance(json.loads(cli.ok("-v", "status", "--json")), dict)


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(days=2)], ids=str)
def test_ids_that_a_run_of_another_host_holds_are_left_to_it_unless_its_clock_is_days_ahead(
    cli: CommandLine, api: Api, ahead: timedelta
) -> None:
    cli.load(100)
    url = f"sqlite:///{cli.folder / 'harvest.db'}"
    asyncio.run(_hold(url, datetime.now(UTC) + ahead))
    shown = cli.ok("run")
    if ahead:
        assert shown.startswith("Nothing left: 2 calls, 22 units")
        assert "Every id is settled." in shown
        return
    assert api.calls == 0
    assert shown.startswith("The rest is claimed by other runs: 0 calls, 0 units")
    assert "100 of 100 ids are left." in shown
    assert "nothing left" not in shown.lower()
    assert cli.status()["videos"]["claimed"] == 100
    assert "Next: harvester status, which names those runs" in shown
    assert re.search(r"under way.*elsewhere 1", cli.ok("status"))


async def _hold(url: str, now: datetime) -> None:
    """A run on another host claims all that is pending, and is not heard of again."""
    async with open_ledger(url) as ledger:
        run = await ledger.open_run(ProcessIdentity("elsewhere", "boot", 1, "then"), now, now + timedelta(minutes=5))
        for _ in range(2):
            assert isinstance(await ledger.claim(run, Budget(now.date(), 10_000, 11), now), Batch)


class SetClock(datetime):
    """The machine's, which somebody sets."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.ahead


@pytest.mark.parametrize(
    ("at_the_run", "when_asked", "message"),
    [
        (timedelta(days=2), timedelta(days=2), "minutes or more ahead of the API's"),
        (timedelta(days=2), timedelta(), ""),
        (timedelta(), timedelta(days=-2), "a day to come by this machine's clock"),
        (timedelta(days=-2), timedelta(), ""),
    ],
    ids=str,
)
def test_a_wrong_clock_is_told_where_the_ledger_knows_better(
    cli: CommandLine,
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    at_the_run: timedelta,
    when_asked: timedelta,
    message: str,
) -> None:
    monkeypatch.setattr(clock, "datetime", SetClock)
    cli.load(100)
    monkeypatch.setattr(SetClock, "ahead", at_the_run)
    cli.ok("run", "--max-calls", "1")
    assert api.calls == 1
    monkeypatch.setattr(SetClock, "ahead", when_asked)
    before = (cli.folder / "harvest.db").read_bytes()
    assert message in (cli.status()["quota"]["clock_hint"] or "")
    for command in ("status", "plan", "quota", "doctor --offline"):
        done = cli(*command.split())
        output = " ".join((done.stdout + done.stderr).split())
        assert message in output
        assert ("a wrong day" in output) is bool(message)
    assert (cli.folder / "harvest.db").read_bytes() == before
