"""rehearse and simulate: the whole crawl without a key."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from functools import partial
from typing import Any

import pytest
from children import Program
from command_line import CommandLine
from waiting import LIMIT_SECONDS, wait_until

from harvester import rehearsal
from harvester.config import isolated_config
from harvester.simulator import SimulatorSettings
from harvester.youtube.client import YouTubeClient

DAY_LINE = re.compile(r"\d{4}-\d\d-\d\d +[\d,]+ +[\d,]+ +[\d,]+ +[\d,]+ +[\d,]+ +\d+%")
PROMISES = [
    "no day over its budget",
    "no id lost",
    "no id answered twice",
    "every id in its true state",
    "the fewest calls",
    "the key in no address",
    "the ledger and the export are consistent",
]


def verdicts(output: str) -> dict[str, str]:
    """Each promise with its verdict."""
    lines = (re.fullmatch(r"(kept|BROKEN) +([^:]+): .+", line) for line in output.splitlines())
    return {line[2]: line[1] for line in lines if line}


def assert_passed(output: str) -> None:
    assert verdicts(output) == dict.fromkeys(PROMISES, "kept")
    *_, verdict, left = output.split("\n\n")
    assert verdict == "passed"
    assert re.fullmatch(r"The ledger, .* are in (\S+)\. Look around there:\n  cd \1\n(  harvester .*\n)+", left)


@pytest.mark.parametrize("faults", ["mild", "hostile"])
def test_a_rehearsal_keeps_every_promise(cli: CommandLine, faults: str) -> None:
    output = cli.ok("rehearse", "--videos", "3000", "--faults", faults)
    assert_passed(output)
    assert [line for line in output.splitlines() if DAY_LINE.fullmatch(line)]
    # It can be looked at afterwards, as it says.
    for line in re.findall(r"^  harvester (.*)", output, re.MULTILINE):
        assert "100.0%" in cli.ok("--config", "rehearsal/config.toml", *line.split()) or "export" in line
    assert {"harvest.db", "songs.csv", "songs.json.gz", "songs.json.gz.manifest.json"} <= {
        path.name for path in (cli.folder / "rehearsal").iterdir()
    }


def test_a_rehearsal_finds_its_videos_in_channels_that_grow(cli: CommandLine) -> None:
    output = cli.ok("rehearse", "--discover", "--videos", "240", "--faults", "mild")
    found = ["every listed video found", "the fewest pages", "units as the API counts them"]
    assert verdicts(output) == dict.fromkeys([*found, *PROMISES], "kept")
    assert len([line for line in output.splitlines() if DAY_LINE.fullmatch(line)]) == 3
    assert "360 videos of 1 channel, 0 lost, 0 unknown" in output


@pytest.mark.parametrize("seed", [1, 7])
def test_a_playlist_that_could_not_be_read_to_its_end_is_read_by_another_run(cli: CommandLine, seed: int) -> None:
    """With these seeds, pages that are no good end the reading of a playlist: on the last day, and on the first."""
    output = cli.ok("rehearse", "--discover", "--videos", "3000", "--faults", "hostile", "--seed", str(seed))
    assert set(verdicts(output).values()) == {"kept"}
    days = [line.split()[0] for line in output.splitlines() if DAY_LINE.fullmatch(line)]
    assert len(days) > len(set(days)) == 3


def test_answers_that_come_too_late_break_no_promise(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    get, answers = YouTubeClient._get, iter(range(1_000))

    async def late(client: YouTubeClient, *arguments: Any) -> Any:
        answer = await get(client, *arguments)
        if next(answers) in (3, 7):
            raise TimeoutError
        return answer

    monkeypatch.setattr(YouTubeClient, "_get", late)
    output = cli.ok("rehearse", "--videos", "1000", "--faults", "none")
    assert_passed(output)
    assert "100 answered twice, 2 answers too late" in output
    assert "22 = 20 for full batches + 2 wasted" in output


def test_a_rehearsal_of_several_days_has_a_line_for_each(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    # Days of a tenth, for it and for the API.
    monkeypatch.setattr(rehearsal, "SimulatorSettings", partial(SimulatorSettings, daily_units=1_000))
    monkeypatch.setattr(
        rehearsal, "isolated_config", lambda settings: isolated_config(settings | {"quota": {"daily_units": 1_000}})
    )
    output = cli.ok("rehearse", "--videos", "4700")
    assert_passed(output)
    days = [line.split() for line in output.splitlines() if DAY_LINE.fullmatch(line)]
    assert [(day[1], day[2], day[-1]) for day in days] == [("90", "990", "96%"), ("4", "44", "100%")]


def test_the_same_seed_gives_the_same_verdict_and_another_seed_other_faults(cli: CommandLine) -> None:
    def play(seed: str, out: str) -> str:
        return cli.ok("rehearse", "--videos", "1000", "--faults", "mild", "--seed", seed, "--out", out)

    first = play("3", "one")
    assert play("3", "two").replace("two", "one") == first
    assert play("4", "three") != first


def test_it_needs_no_key_and_no_settings_and_leaves_the_real_ledger_alone(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.ok("init")
    cli.load(100)
    before = (cli.folder / "harvest.db").read_bytes()
    monkeypatch.setenv("HARVESTER_LEDGER__URL", f"sqlite:///{cli.folder / 'harvest.db'}")
    monkeypatch.setenv("HARVESTER_QUOTA__DAILY_UNITS", "11")
    monkeypatch.setenv("HARVESTER_EXPORT__URI", str(cli.folder / "songs.json"))
    output = cli.ok("rehearse", "--videos", "1000")
    assert "       20       220 " in output
    assert (cli.folder / "harvest.db").read_bytes() == before
    assert not (cli.folder / "songs.json").exists()


def test_it_can_be_repeated_in_its_own_folder(cli: CommandLine) -> None:
    for _ in range(2):
        cli.ok("rehearse", "--videos", "100", "--out", "here")


@pytest.mark.parametrize("name", [".", "songs"])
def test_it_refuses_a_folder_that_holds_something_else(cli: CommandLine, name: str) -> None:
    (cli.folder / "songs").mkdir()
    cli.write("songs/mine.txt", "mine")
    result = cli("rehearse", "--videos", "100", "--out", name)
    assert result.exit_code == 3
    assert "--out" in result.stderr
    assert (cli.folder / "songs" / "mine.txt").read_text(encoding="utf-8") == "mine"


def test_a_broken_promise_ends_with_5(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    # A simulated API that holds other videos than the truth says.
    monkeypatch.setattr("harvester.rehearsal.truth", lambda *_: "missing")
    result = cli("rehearse", "--videos", "100")
    assert result.exit_code == 5
    assert verdicts(result.stdout)["every id in its true state"] == "BROKEN"
    assert "failed" in result.stdout
    assert "The rehearsal broke a promise." in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_simulate_serves_until_it_is_told_to_stop(harvester: Program, number: signal.Signals) -> None:
    server = harvester.start("simulate", "--seed", "3", "--daily-units", "22")
    wait_until(lambda: server.stdout.endswith("\n") or server.process.poll() is not None)
    base_url = server.stdout.splitlines()[0]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/youtube/v3", base_url)
    request = urllib.request.Request(f"{base_url}/videos?part=snippet&id=dQw4w9WgXcQ", headers={"X-Goog-Api-Key": "x"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=LIMIT_SECONDS) as answer:
        assert json.load(answer)["kind"] == "youtube#videoListResponse"
    server.send(number)
    assert server.wait() == 0
    assert server.stdout.splitlines() == [base_url]
    assert server.stderr == ""
