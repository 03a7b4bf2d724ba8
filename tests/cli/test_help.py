"""Every help text ends with an example, and every example runs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal

import click
import pytest
from children import Program, Simulate
from command_line import CommandLine
from waiting import wait_until

from harvester.cli.program import main

COMMANDS = ["", *sorted(main.commands)]
RUN_FOR_EVER = {"simulate"}
ELSEWHERE = {"s3://bucket/songs.parquet": "published.parquet"}
"""What needs a bucket is published beside: tests/s3 prove the rest."""


def command_of(name: str) -> click.Command:
    return main.commands[name] if name else main


def examples_of(name: str) -> list[list[str]]:
    lines = (command_of(name).epilog or "").removeprefix("\b\n").splitlines()
    assert lines
    assert all(line.startswith(f"Example: harvester {name}") for line in lines if name)
    examples = [shlex.split(line.removeprefix("Example: harvester ")) for line in lines]
    return [[ELSEWHERE.get(word, word) for word in words] for words in examples]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_an_example(cli: CommandLine, name: str) -> None:
    lines = cli.ok(*name.split(), "--help").strip().splitlines()
    assert lines[0].startswith(f"Usage: harvester {name}".rstrip())
    assert lines[-1].strip().startswith("Example: harvester")
    assert cli.ok(*name.split(), "-h").strip().splitlines() == lines


@pytest.mark.parametrize("name", sorted(main.commands))
def test_help_explains_the_command_and_each_option(cli: CommandLine, name: str) -> None:
    command = command_of(name)
    assert command.help
    shown = cli.ok(name, "--help")
    for parameter in command.params:
        # hidden are those of harvester itself, which its own help explains
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.opts[0] in shown
            assert parameter.help
            assert not parameter.help.startswith("[")


@pytest.mark.parametrize("group", ["", "ledger"])
def test_each_command_is_told_in_a_whole_sentence(cli: CommandLine, group: str) -> None:
    commands = cli.ok(*group.split(), "--help").partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    named = command_of(group)
    assert isinstance(named, click.Group)
    assert len(commands) == len(named.commands)
    assert [line for line in commands if not line.endswith(".") or line.endswith("...")] == []


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in RUN_FOR_EVER])
@pytest.mark.usefixtures("common_api")
def test_the_examples_run(crawled: CommandLine, name: str) -> None:
    shutil.copy("config.toml", "crawl.toml")
    for example in examples_of(name):
        result = crawled(*example)
        assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("name", sorted(RUN_FOR_EVER))
def test_the_example_of_a_server_runs(harvester: Program, name: str) -> None:
    # Any free port will do for a test.
    server = harvester.start(*re.sub(r"--port \d+", "--port 0", shlex.join(examples_of(name)[0])).split())
    wait_until(lambda: server.stdout.startswith("http://127.0.0.1:") or server.process.poll() is not None)
    server.send(signal.SIGTERM)
    assert server.wait() == 0


def test_the_version_is_told(cli: CommandLine) -> None:
    assert re.fullmatch(r"harvester, version \d+\.\d+\.\d+\S*\n", cli.ok("--version"))


def test_no_command_takes_a_key(cli: CommandLine) -> None:
    options = {option for command in main.commands.values() for each in command.params for option in each.opts}
    assert not [option for option in options if re.search("key|secret|token|password", option)]


def test_it_can_be_started_as_a_module(harvester: Program, simulate: Simulate) -> None:
    done = harvester.run("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: harvester [OPTIONS] COMMAND")


def test_global_options_count_after_the_command_too(cli: CommandLine) -> None:
    cli.ok("init")
    cli.write("other.toml", '[ledger]\nurl = "sqlite:///other.db"\n')
    after = cli("status", "--config", "other.toml", "--log-format", "json")
    assert after.exit_code == 3
    assert "other.db" in json.loads(after.stderr)["message"]
    assert (
        cli("--config", "other.toml", "--log-format", "json", "status").stderr.partition("message")[2]
        == (after.stderr.partition("message")[2])
    )
    assert "Traceback" in cli("ledger", "copy", "sqlite:///a.db", "sqlite:///b.db", "-v").stderr
    assert cli("status", "--log-format", "xml").exit_code == 2
