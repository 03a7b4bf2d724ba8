"""notify.webhook: the summary of a day, for a chat or a program; never in a run's way."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from children import Program, Simulate
from command_line import Api, CommandLine
from monitor_kit import TOKEN, Monitor, monitoring
from waiting import wait_until

from harvester.scheduling import notify

KEY = "the-key-that-is-in-no-summary"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Monitor]:
    with monitoring() as monitor:
        monkeypatch.setenv("HARVESTER_NOTIFY__WEBHOOK", monitor.url)
        monkeypatch.setenv("YOUTUBE_API_KEY", KEY)
        yield monitor


def sent(hook: Monitor) -> list[dict[str, Any]]:
    assert {path for path, _ in hook.posts} <= {f"/ping/{TOKEN}"}
    assert KEY not in str(hook.posts)
    return [json.loads(body) for _, body in hook.posts]


def test_a_chat_gets_the_day_in_a_few_lines(cli: CommandLine, api: Api, hook: Monitor) -> None:
    cli.load(120)
    cli.ok("-q", "run", "--max-calls", "2")
    (body,) = sent(hook)
    assert body.keys() == {"text"}
    day = cli.status()["quota"]["day"]
    first, today, ahead = body["text"].splitlines()
    assert first == f"crawl, quota day {day}: call limit reached."
    assert today.startswith("2 calls, 22 of 10,000 units, ")
    assert ahead == f"83.3% of 120 ids are done, 20 are left: 1 more day, until {day}."
    assert (hook.content_types, hook.agents) == ({"application/json"}, {"harvester"})


def test_a_program_gets_every_figure(
    cli: CommandLine, api: Api, hook: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_NOTIFY__WEBHOOK_FORMAT", "json")
    cli.load(120)
    cli.ok("-q", "run")
    (body,) = sent(hook)
    status = cli.status()
    names = ("event", "ending", "error", "name", "ledger")
    assert [body[name] for name in names] == ["day ended", "nothing left", None, "crawl", "harvest.db"]
    assert body["day"] == {
        "day": status["quota"]["day"],
        "calls": 3,
        "ok": 3,
        "failed": 0,
        "abandoned": 0,
        "units": 33,
        "fetched": status["videos"]["fetched"],
        "missing": status["videos"]["missing"],
    }
    assert {part: body["status"][part] for part in ("videos", "calls", "progress")} == {
        part: status[part] for part in ("videos", "calls", "progress")
    }
    assert body["text"].splitlines()[-1] == "Every id is settled. Next: harvester export"


def test_a_run_that_made_no_call_and_other_commands_send_nothing(cli: CommandLine, api: Api, hook: Monitor) -> None:
    cli.load(50)
    for line in ("run --dry-run", "status", "plan", "verify", "run", "run", "export songs.json"):
        cli.ok(*line.split())
    assert len(sent(hook)) == 1


def test_a_failure_is_sent_with_its_sentence_also_without_a_ledger(
    cli: CommandLine, simulate: Simulate, hook: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("run").exit_code == 3
    monkeypatch.setenv("HARVESTER_NOTIFY__WEBHOOK_FORMAT", "json")
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", simulate(valid_key="the-right-one").base_url)
    cli.load(50)
    assert cli("run").exit_code == 3
    without, refused = sent(hook)
    assert without["text"].startswith("crawl: the run failed.\nThere is no ledger at ")
    assert (refused["event"], refused["ending"]) == ("run failed", "the run failed")
    assert "API_KEY_INVALID" in refused["error"]
    assert refused["error"] in refused["text"]
    assert refused["status"]["videos"]["pending"] == 50


def test_a_run_that_sleeps_until_the_reset_has_told_of_its_day_and_does_not_tell_again(
    cli: CommandLine, simulate: Simulate, hook: Monitor, monkeypatch: pytest.MonkeyPatch, stopping: ExitStack
) -> None:
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", simulate().base_url)
    monkeypatch.setenv("HARVESTER_QUOTA__DAILY_UNITS", "25")
    cli.load(150)
    program = Program(cli.folder)
    stopping.callback(program.end_all)
    child = program.start("run", "--until-done")
    wait_until(lambda: hook.posts)
    child.process.terminate()
    assert child.wait() == 0
    (body,) = sent(hook)
    assert "budget spent.\n2 calls, 22 of 25 units" in body["text"]
    assert "50 are left: 1 more day" in body["text"]


# --- a webhook that is not well


@pytest.mark.parametrize(("answers", "warning"), [([500], ""), ([404, 404], "it answered 404"), ([302, 429], "429")])
def test_it_is_tried_twice_and_then_a_warning(
    cli: CommandLine, api: Api, hook: Monitor, answers: list[int], warning: str
) -> None:
    hook.answers = answers.copy()
    cli.load(50)
    result = cli("-q", "run")
    assert result.exit_code == 0
    assert len(hook.posts) == 2
    reported = [line for line in result.stderr.splitlines() if "notify.webhook" in line]
    assert [line.endswith(warning) for line in reported] == [True] * bool(warning)
    assert TOKEN not in result.output


def test_it_neither_fails_nor_delays_a_run(
    cli: CommandLine, api: Api, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "TIMEOUT_SECONDS", 0.1)
    cli.load(100)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (closed_port, silent.getsockname()[1]):
            monkeypatch.setenv("HARVESTER_NOTIFY__WEBHOOK", f"http://127.0.0.1:{port}/{TOKEN}")
            result = cli("-q", "run", "--max-calls", "1")
            assert result.exit_code == 0
            assert result.stderr.count("notify.webhook") == 1
            assert TOKEN not in result.output
    assert cli.status()["videos"]["pending"] == 0


def test_what_a_chat_would_read_as_markup_is_sent_as_text(
    cli: CommandLine, api: Api, hook: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_REPORT__NAME", "<!channel>&")
    cli.load(50)
    cli.ok("-q", "run")
    (body,) = sent(hook)
    assert body["text"].startswith("&lt;!channel&gt;&amp;, quota day ")


def test_an_address_that_cannot_be_is_refused_unsaid(cli: CommandLine) -> None:
    cli.write("config.toml", '[notify]\nwebhook = "ftp://host/T0KEN"\n')
    result = cli("run")
    assert result.exit_code == 3
    assert "notify.webhook: must be an http or https address" in result.stderr
    assert "T0KEN" not in result.output


def test_neither_key_nor_address_is_in_what_is_kept(cli: CommandLine, api: Api, hook: Monitor) -> None:
    cli.load(50)
    output = cli("-v", "run").output
    kept = b"".join(path.read_bytes() for path in Path(cli.folder).glob("harvest.db*"))
    for secret in (TOKEN, KEY):
        assert secret not in output
        assert secret.encode() not in kept
    assert sent(hook)
