"""Where results are printed: stdout, with colours and bars on a terminal only."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from rich.console import Console

    from harvester.app import Harvester
    from harvester.report.blocks import Block, Line
    from harvester.report.status_screen import Screen

PIPE_COLUMNS = 200
"""Wide enough that no line is folded for a program."""
MIN_COLUMNS = 20


def warn_of_clock(harvester: Harvester) -> None:
    """Warn if the ledger contradicts this machine's clock."""
    import logging

    if hint := harvester.overview().clock_hint:
        logging.getLogger(__name__).warning("%s", hint)


def echo_styled(text: str, rest: str = "", *, err: bool = False, **style: Any) -> None:
    """Print `text` in a style of click's, and the rest after it. click itself ignores NO_COLOR and TERM=dumb."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    click.echo(click.style(text, **style) + rest, err=err, color=False if plain else None)


def fold(text: str, stream: TextIO, indent: int = 0) -> str:
    """Break the lines of `text` between words if `stream` is a terminal. Commands and paths are not cut.

    Continuation lines are indented as the first line, plus `indent`.
    """
    if not stream.isatty():
        return text
    import shutil
    import textwrap

    columns = shutil.get_terminal_size().columns
    lines = []
    for line in text.split("\n"):
        inner = " " * (indent + len(line) - len(line.lstrip(" ")))
        # A very narrow terminal breaks the lines itself.
        width = columns if columns - len(inner) >= MIN_COLUMNS else sys.maxsize
        lines += textwrap.wrap(
            line, width, subsequent_indent=inner, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return "\n".join(lines)


def on_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


def can_ask() -> bool:
    """Whether a person can be asked: stdin and stdout are terminals."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def result_columns() -> int:
    """Columns of stdout."""
    import shutil

    return shutil.get_terminal_size().columns if on_terminal() else PIPE_COLUMNS


def plain_console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    # Without highlighting, which would colour numbers, and without markup: text is shown as it is.
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def show_rows(
    headings: Sequence[str], rows: Iterable[Sequence[str | int]], left: Collection[str], empty: str = ""
) -> None:
    """Print a table on a terminal, with the columns `left` aligned left; tab-separated lines elsewhere."""
    if not on_terminal():
        for row in rows:
            click.echo("\t".join(map(str, row)))
        return
    from harvester.report.blocks import Block, Column, Line

    cells = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
    table = Block([Column(right=heading not in left) for heading in headings], headings, cells)
    show(table if table.rows or not empty else Line(empty))


def show_next(step: str, verbosity: int, began: float | None = None) -> None:
    """Print how long it took since `began` (monotonic seconds), and what to do next. Prints nothing with `-q`."""
    import time

    from harvester.report.wording import elapsed

    if began is not None:
        step = f"Took {elapsed(time.monotonic() - began)}. {step}".rstrip()
    if verbosity >= 0:
        echo_styled(fold(step, sys.stdout), bold=True)


def show(*result: Line | Block | Screen) -> None:
    """Print a result: drawn by rich on a terminal, and without rich, whose import takes time, elsewhere."""
    for part in result:
        if on_terminal():
            plain_console().print(part)
        else:
            click.echo("\n".join(line.rstrip() for line in part.lines()))
