"""What a run does within the limits of its process, and of those whom it tells of its end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from command_line import Api, CommandLine
from forks import run
from waiting import LIMIT_SECONDS

from harvester.cli.shared.run_hooks import RunHooks


@pytest.mark.parametrize("files", [8, 12])
def test_too_few_files_are_no_bug(cli: CommandLine, api: Api, files: int) -> None:
    """With 8 of them not everything can be imported, for which a process has to begin from nothing."""
    cli.load(50)
    done = limited(cli, files, forked=files > 8)
    assert done.returncode == 4, done.stderr
    assert "ulimit -n" in done.stderr
    assert api.calls == 0


def test_fewer_calls_at_once_where_few_files_may_be_open(cli: CommandLine, api: Api) -> None:
    cli.load(2_000)
    done = limited(cli, 32)
    assert done.returncode == 0, done.stderr
    assert "calls at once, not 50: this process may open no more than 32 files" in done.stderr
    assert cli.status()["videos"]["pending"] == 0
    assert api.calls == 40


def limited(cli: CommandLine, files: int, *, forked: bool = True) -> subprocess.CompletedProcess[str]:
    """A run that may open so many."""
    env = os.environ | {"HARVESTER_RUN__CONCURRENCY": "50"}
    if forked:
        return run("harvester", ["run"], folder=cli.folder, env=env, open_files=files)
    return subprocess.run(
        ["sh", "-c", f'ulimit -n {files}; exec "$0" -m harvester run', sys.executable],
        cwd=cli.folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@pytest.fixture
def silent() -> Iterator[str]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.usefixtures("api")
def test_who_says_nothing_holds_up_neither_result_nor_end(
    cli: CommandLine, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = RunHooks.finish

    def seen(self: RunHooks) -> None:
        click.echo("the end")
        finish(self)

    monkeypatch.setattr(RunHooks, "finish", seen)
    monkeypatch.setattr("harvester.cli.shared.run_hooks.HOOKS_TIMEOUT_SECONDS", 0.5)
    for name, value in {
        "HARVESTER_NOTIFY__URL": silent,
        "HARVESTER_NOTIFY__WEBHOOK": silent,
        "HARVESTER_REPORT__HTML": "s3://bucket/report.html",
        "AWS_ENDPOINT_URL": silent,
        "AWS_ACCESS_KEY_ID": "A",
        "AWS_SECRET_ACCESS_KEY": "B",
        "AWS_DEFAULT_REGION": "eu-west-3",
    }.items():
        monkeypatch.setenv(name, value)
    cli.load(50)
    result = cli("run")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("Nothing left: 1 call")
    assert result.stdout.endswith("the end\n")
    for what in (
        "notify.url was not told of the run's end",
        "the day's summary was not sent to notify.webhook",
        "the page of report.html was not written",
    ):
        assert f"{what} within" in result.stderr
