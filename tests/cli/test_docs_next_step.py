"""Where a command lacks something, it names the command, the variable or the setting that provides it."""

from __future__ import annotations

import re
import shlex

import pytest
from command_line import CommandLine

from harvester.cli.program import main

NEED_NOTHING = {"discover", "init", "rehearse", "simulate"}
NEXT_STEP = re.compile(rf"harvester ({'|'.join(main.commands)})\b|YOUTUBE_API_KEY|source\.uri|--[a-z]")


def lines_of(name: str) -> list[str]:
    """The bare command, and the examples of its help."""
    examples = re.findall(rf"\bharvester ({name}\b[^\n]*)", main.commands[name].epilog or "")
    assert examples
    return [name, *examples]


def output_of(cli: CommandLine, *words: str) -> str:
    """All that it says; it may fail, but by no bug."""
    result = cli(*words)
    assert result.exit_code != 1, result.stderr
    return result.stdout + result.stderr


@pytest.mark.parametrize("name", sorted(set(main.commands) - NEED_NOTHING))
def test_in_an_empty_folder(cli: CommandLine, name: str) -> None:
    for line in lines_of(name):
        if "://" in line or line in ("doctor", "doctor --spend-unit") or "--videos" in line:
            continue  # it goes to the network, or needs nothing
        result = cli(*shlex.split(line))
        assert result.exit_code in (2, 3), line
        assert NEXT_STEP.search(result.stdout + result.stderr), line
    assert list(cli.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "next_step"),
    [
        ("load", "harvester load SOURCE, or set source.uri"),
        ("plan", "harvester load"),
        ("run --dry-run", "harvester load"),
        ("run", "YOUTUBE_API_KEY"),
        ("status", "harvester load"),
        ("export", "harvester load"),
        ("doctor --offline", "YOUTUBE_API_KEY"),
    ],
)
def test_without_ids_and_key(cli: CommandLine, line: str, next_step: str) -> None:
    cli.ok("init")
    assert next_step in output_of(cli, *line.split())


@pytest.mark.parametrize(
    ("line", "next_step"),
    [
        ("run", "YOUTUBE_API_KEY"),
        ("doctor --offline", "YOUTUBE_API_KEY"),
        ("status", "harvester run"),
        ("export", "harvester run"),
        ("verify --export nowhere.json", "harvester export"),
        ("load nowhere.csv", "source.uri"),
    ],
)
def test_with_ids_and_without_a_key(cli: CommandLine, line: str, next_step: str) -> None:
    cli.ok("init")
    cli.load(60)
    assert next_step in output_of(cli, *line.split())


def test_without_ids_but_with_a_key(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    cli.ok("init")
    assert "harvester load" in cli.ok("-q", "run")


@pytest.mark.parametrize(("variable", "value"), [("YOUTUBE_API_KEY", "a key"), ("YOUTUBE_API_KEY_FILE", "nowhere")])
def test_with_a_key_that_can_be_none(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    cli.load(60)
    assert "hold the key alone" in output_of(cli, "run")
