"""notify.url: told of a run's start and end, and never in a run's way."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from children import Program, Simulate
from command_line import Api, CommandLine
from monitor_kit import TOKEN, Monitor, monitoring
from waiting import wait_until

from harvester.errors import ConfigError
from harvester.scheduling import notify


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Monitor]:
    with monitoring() as monitor:
        monkeypatch.setenv("HARVESTER_NOTIFY__URL", monitor.url)
        yield monitor


def paths(monitor: Monitor) -> list[str]:
    return [path.replace(TOKEN, "TOKEN") for path, _ in monitor.posts]


def test_a_run_that_ends_well_is_told_of(cli: CommandLine, api: Api, monitor: Monitor) -> None:
    cli.load(120)
    output = cli.ok("-v", "run")
    assert paths(monitor) == ["/ping/TOKEN/start", "/ping/TOKEN"]
    assert [*monitor.posts[1][1].splitlines(), output.splitlines()[-1]] == output.splitlines()
    assert output.startswith("Nothing left: 3 calls, 33 units")
    assert monitor.agents == {"harvester"}
    assert monitor.content_types == {"text/plain; charset=utf-8"}


def test_a_run_that_fails_is_told_of_with_its_sentence(
    cli: CommandLine, monitor: Monitor, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", f"http://127.0.0.1:{closed_port}/youtube/v3")
    monkeypatch.setenv("HARVESTER_RUN__PATIENCE_SECONDS", "0")
    monkeypatch.setenv("HARVESTER_RUN__MAX_ATTEMPTS", "1")
    monkeypatch.setenv("YOUTUBE_API_KEY", "any-key-that-is-secret")
    cli.load(50)
    result = cli("run")
    assert result.exit_code == 4
    assert paths(monitor) == ["/ping/TOKEN/start", "/ping/TOKEN/fail"]
    assert result.stderr.endswith(f"Error: {monitor.posts[1][1]}\n")
    assert "any-key" not in str(monitor.posts)


def test_a_refused_key_is_told_of_and_not_told(
    cli: CommandLine, monitor: Monitor, simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", simulate(valid_key="the-right-one").base_url)
    monkeypatch.setenv("YOUTUBE_API_KEY", "the-wrong-one-of-all")
    cli.load(50)
    assert cli("run").exit_code == 3
    assert paths(monitor) == ["/ping/TOKEN/start", "/ping/TOKEN/fail"]
    assert "API_KEY_INVALID" in monitor.posts[1][1]
    assert "the-wrong-one" not in str(monitor.posts)


def test_a_missing_ledger_is_told_of_and_a_bug_by_its_name_alone(
    cli: CommandLine, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    assert cli("run").exit_code == 3
    assert monitor.posts[-1][1].startswith("There is no ledger")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("what only we should read")

    monkeypatch.setattr("harvester.app.Harvester.run", broken)
    assert cli("run").exit_code == 1
    assert monitor.posts[-1] == (f"/ping/{TOKEN}/fail", "A bug in harvester: RuntimeError.")


def test_what_is_no_run_is_not_told_of(cli: CommandLine, api: Api, monitor: Monitor) -> None:
    cli.load(50)
    for line in ("run --dry-run", "status", "plan", "verify", "export songs.json"):
        cli.ok(*line.split())
    assert monitor.posts == []


def test_a_stop_is_a_good_end(
    cli: CommandLine, simulate: Simulate, monitor: Monitor, monkeypatch: pytest.MonkeyPatch, stopping: ExitStack
) -> None:
    simulator = simulate(latency_seconds=0.05)
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", simulator.base_url)
    monkeypatch.setenv("HARVESTER_RUN__CONCURRENCY", "1")
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    cli.load(5_000)
    program = Program(cli.folder)
    stopping.callback(program.end_all)
    child = program.start("-v", "run")
    wait_until(lambda: simulator.report()["calls"])
    child.process.terminate()
    assert child.wait() == 0
    assert paths(monitor) == ["/ping/TOKEN/start", "/ping/TOKEN"]
    assert [*monitor.posts[1][1].splitlines(), child.stdout.splitlines()[-1]] == child.stdout.splitlines()
    assert child.stdout.startswith("Stopped")
    assert TOKEN not in child.stdout + child.stderr


# --- a monitor that is not well


@pytest.mark.parametrize(
    ("answers", "posts", "warnings"),
    [
        ([500, 200], 3, []),
        ([500, 500], 3, ["start: it answered 500"]),
        ([404] * 4, 4, ["start: it answered 404", "fail: it answered 404"]),
        ([301, 302], 3, ["start: it answered 302"]),
    ],
)
def test_an_answer_that_is_none_is_asked_for_once_more_and_then_a_warning(
    cli: CommandLine, monitor: Monitor, answers: list[int], posts: int, warnings: list[str]
) -> None:
    monitor.answers = answers
    # There is no ledger, and the run's own end is no other for it.
    result = cli("-q", "run")
    assert result.exit_code == 3
    assert len(monitor.posts) == posts
    assert not any("elsewhere" in path for path in paths(monitor))
    reported = [line for line in result.stderr.splitlines() if "notify.url" in line]
    assert [line.partition("run's ")[2] for line in reported] == warnings
    assert TOKEN not in result.output


def test_a_monitor_that_is_down_is_one_warning_each_time(
    cli: CommandLine, api: Api, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_NOTIFY__URL", f"http://127.0.0.1:{closed_port}/{TOKEN}")
    cli.load(50)
    result = cli("-v", "run")
    assert result.exit_code == 0
    assert [line.split()[1] for line in result.stderr.splitlines() if "notify.url" in line] == ["WARNING"] * 2
    assert "no connection (ClientConnectorError)" in result.stderr
    assert TOKEN not in result.output + result.stderr
    assert cli.status()["videos"]["pending"] == 0


def test_a_monitor_that_hangs_holds_nothing_up_for_longer_than_two_timeouts(
    cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "TIMEOUT_SECONDS", 0.1)
    cli.load(50)
    # It accepts and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HARVESTER_NOTIFY__URL", f"http://127.0.0.1:{server.getsockname()[1]}/{TOKEN}")
        result = cli("-q", "run")
    assert result.exit_code == 0
    assert result.stderr.count("no answer within 0.1 s") == 2
    assert TOKEN not in result.output
    assert notify.TRIES == 2


# --- the address


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("{base}", "/ping/TOKEN/start"),
        ("{base}/", "/ping/TOKEN/start"),
        ("{base}?key=a%2Fb", "/ping/TOKEN/start?key=a%2Fb"),
        ("{base}/with%20space", "/ping/TOKEN/with%20space/start"),
    ],
)
def test_the_ending_goes_to_the_end_of_the_path(
    cli: CommandLine, monitor: Monitor, monkeypatch: pytest.MonkeyPatch, url: str, start: str
) -> None:
    monkeypatch.setenv("HARVESTER_NOTIFY__URL", url.format(base=monitor.url))
    cli("run")
    assert paths(monitor) == [start, start.replace("start", "fail")]


@pytest.mark.parametrize(
    "url", ["ftp://host/T0KEN", "file:///T0KEN", "T0KEN", "https://", "http://[T0KEN/", "http://host:99999/T0KEN",
            "http://host/T0KEN tail", "http://host/T0KEN\n", "http://höst/T0KEN", "http://host/T0KEN#part", ""],
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused_unsaid(cli: CommandLine, url: str) -> None:
    cli.write("config.toml", f'[notify]\nurl = """{url}"""\n')
    for result in (cli("run"), cli("-v", "status")):
        assert result.exit_code == ConfigError.exit_code
        assert "notify.url: must be an http or https address" in result.stderr
        assert "T0KEN" not in result.output + result.stderr


def test_the_address_is_in_nothing_that_is_said(cli: CommandLine, api: Api, monitor: Monitor) -> None:
    """Also not where a bug shows everything that it knows."""
    cli.write("config.toml", f'[notify]\nurl = "{monitor.url}"\n')
    cli.load(50)
    output = "".join(cli("-v", *line.split()).output for line in ("run", "status", "plan", "schedule", "verify"))
    assert TOKEN not in output
    assert monitor.posts
    assert b"a-token-that" not in b"".join(path.read_bytes() for path in cli.folder.glob("harvest.db*"))
