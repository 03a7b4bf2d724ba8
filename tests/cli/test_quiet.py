"""Under -q no command says anything on stderr when all is well; with -v there are debug lines."""

from __future__ import annotations

import logging
import signal

import pytest
from children import Program
from command_line import CommandLine
from waiting import wait_until

from harvester.cli.program import main
from harvester.cli.shared.logs import set_up_logging
from harvester.config import LogSettings

LINES = {
    "init": "init",
    "load": "load songs.csv",
    "discover": "discover @songs-9",
    "plan": "plan",
    "run": "run",
    "status": "status",
    "export": "export songs.json",
    "verify": "verify --export songs.json",
    "retry": "retry --missing",
    "refresh": "refresh --older-than 25d",
    "remove": "remove --invalid --yes",
    "quota": "quota",
    "prune": "prune --older-than 30d",
    "ledger": "ledger copy sqlite:///harvest.db sqlite:///moved.db",
    "doctor": "doctor --offline",
    "schedule": "schedule --zone Europe/Paris",
    "rehearse": "rehearse --videos 100 --faults hostile",
}
BY_ITSELF = {"simulate"}


def test_every_command_is_here() -> None:
    assert set(main.commands) <= set(LINES) | BY_ITSELF


@pytest.mark.parametrize("name", sorted(set(main.commands) - BY_ITSELF))
@pytest.mark.usefixtures("common_api")
def test_quiet_says_nothing_where_nothing_is_wrong(crawled: CommandLine, name: str) -> None:
    result = crawled("-q", *LINES[name].split())
    assert result.exit_code == 0
    assert result.stderr == ""


def test_a_quiet_server_says_where_it_is_and_no_more(harvester: Program) -> None:
    server = harvester.start("-q", "simulate")
    wait_until(lambda: server.stdout.endswith("\n") or server.process.poll() is not None)
    server.send(signal.SIGTERM)
    assert server.wait() == 0
    assert server.stderr == ""


def test_quiet_never_says_more_than_the_settings_do() -> None:
    set_up_logging(LogSettings(level="ERROR"), -1)
    assert logging.getLogger("harvester").level == logging.ERROR
    set_up_logging(LogSettings(level="DEBUG"), -1)
    assert logging.getLogger("harvester").level == logging.WARNING


@pytest.mark.parametrize("line", ["load songs.csv", "run", "run --dry-run", "rehearse --videos 50"])
@pytest.mark.usefixtures("common_api")
def test_more_is_said_on_request(cli: CommandLine, line: str) -> None:
    cli.load(120)
    assert "DEBUG" in cli("-v", *line.split()).stderr
