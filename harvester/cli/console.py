"""Where results are printed: stdout, with colours and bars on a terminal only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPE_COLUMNS = 200
"""Wide enough that no line is folded where a program reads."""


def on_terminal() -> bool:
    return sys.stdout.isatty()


def plain_console() -> Console:
    from rich.console import Console

    # Highlighting would colour numbers at random; what has a colour has it for a reason. A text is shown as it is.
    return Console(highlight=False, markup=False, emoji=False)


def show(result: RenderableType) -> None:
    from rich.console import Console

    if on_terminal():
        plain_console().print(result)
        return
    console = Console(highlight=False, markup=False, emoji=False, width=PIPE_COLUMNS, force_terminal=False)
    with console.capture() as printed:
        console.print(result)
    for line in printed.get().splitlines():
        click.echo(line.rstrip())
