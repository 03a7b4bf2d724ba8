"""`status --watch` on a real terminal: it sees what a run commits meanwhile, and ends well when told to."""

from __future__ import annotations

import re
import signal

import pytest
from command_line import Api, CommandLine
from terminal_kit import Terminal

ALTERNATE, BACK = "\x1b[?1049h", "\x1b[?1049l"
COLOUR = re.compile(r"\x1b\[[0-9;]*?(3[0-9]|9[0-7])")


def test_it_sees_what_is_done_meanwhile_and_ends_by_ctrl_c(cli: CommandLine, api: Api) -> None:
    cli.load(200)
    with Terminal(cli.folder, "status", "--watch", "--interval", "0.1") as terminal:
        terminal.until("every 0.1 s, Ctrl-C ends")
        assert "0.0% of 200 ids" in terminal.output
        cli.ok("run", "--max-calls", "1")
        terminal.until("25.0% of 200 ids")
        cli.ok("run")
        terminal.until("100.0% of 200 ids")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.ended() == 0
    shown, _, after = terminal.raw.partition(BACK)
    assert shown.count(ALTERNATE) == 1
    assert "100.0% of 200 ids" in after, "the last look stays"
    assert "Every id is settled. Next: harvester export" in after
    assert "Ctrl-C" not in after
    assert "Traceback" not in terminal.output
    assert after.count("\n") < 24


def test_sigterm_puts_the_terminal_back_too(cli: CommandLine) -> None:
    cli.load(3)
    # The wait between two looks is cut short.
    with Terminal(cli.folder, "status", "--watch", "--interval", "3600") as terminal:
        terminal.until("every 3600 s")
        terminal.process.terminate()
        assert terminal.ended() == 0
    assert BACK in terminal.raw


def test_colours_are_left_out_where_they_are_unwanted(cli: CommandLine, api: Api) -> None:
    cli.load(60)
    cli.ok("run", "--max-calls", "1")
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        with Terminal(cli.folder, "status", "--watch", **env) as terminal:
            terminal.until("Ctrl-C ends")
            terminal.process.send_signal(signal.SIGINT)
            assert terminal.ended() == 0
        assert bool(COLOUR.search(terminal.raw)) == coloured


def test_a_ledger_that_goes_away_is_an_error_on_a_terminal_put_back(cli: CommandLine) -> None:
    cli.load(3)
    with Terminal(cli.folder, "status", "--watch", "--interval", "0.1") as terminal:
        terminal.until("Ctrl-C ends")
        for path in cli.folder.glob("harvest.db*"):
            path.unlink()
        assert terminal.ended() == 3
    _, _, after = terminal.raw.partition(BACK)
    assert "There is no ledger" in after


@pytest.mark.parametrize("columns", [40, 80])
def test_no_line_is_wider_than_the_terminal(cli: CommandLine, api: Api, columns: int) -> None:
    cli.load(60)
    cli.ok("run", "--max-calls", "1")
    with Terminal(cli.folder, "status", columns=columns) as terminal:
        assert terminal.ended() == 0
    assert max(map(len, terminal.output.splitlines())) <= columns


def test_a_terminal_that_cannot_be_redrawn_is_refused(cli: CommandLine) -> None:
    cli.load(3)
    with Terminal(cli.folder, "status", "--watch", TERM="dumb") as terminal:
        assert terminal.ended() == 2
    assert "TERM says" in terminal.output
