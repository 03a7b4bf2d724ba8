"""Progress of a long command: a line at the bottom of a terminal, log lines elsewhere.

The line is drawn on stderr, but not with `-q`, with JSON log lines, or on a terminal that can't erase a line.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harvester.cli.shared.console import plain_console
from harvester.report.progress_figures import Figures, Rate, advanced, duration
from harvester.support.progress_callback import Advance, ProgressCallback, no_progress

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

log = logging.getLogger(__name__)

LINE_SECONDS = 30.0
"""Seconds between two log lines."""
DRAW_SECONDS = 0.1
BAR_COLUMNS = 20
MIN_COLUMNS_FOR_A_BAR = 60


@contextmanager
def progress(task: str, noun: str, verbosity: int = 0) -> Iterator[ProgressCallback]:
    """Show on stderr how far `task` is, counted in `noun` (singular): done of total, bytes, rate and time left."""
    with display(task, verbosity) as shown_at:
        yield no_progress if shown_at is None else _Throttled(shown_at, noun)


@contextmanager
def display(task: str, verbosity: int = 0) -> Iterator[Display | None]:
    """Yield where to show how far `task` is; None with `-q`."""
    if verbosity < 0:
        yield None
    elif (console := _terminal()) is None:
        yield Display(task)
    else:
        from rich.live import Live

        line = _Line(task)
        # Other output is printed above the line; stdout is left alone if it is not a terminal.
        with Live(line, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as live:
            line.redraw = live.refresh
            yield line


def _terminal() -> Console | None:
    """Return the terminal to draw on, if there is one for a person."""
    from harvester.cli.shared.logs import for_programs

    if not sys.stderr.isatty() or for_programs():
        return None
    console = plain_console(stderr=True)
    return console if console.is_interactive and not console.is_dumb_terminal else None


class _Throttled:
    """A progress callback that updates a display, no more often than its `seconds`."""

    def __init__(self, shown_at: Display, noun: str) -> None:
        self._display, self._noun = shown_at, noun
        self._spoke = time.monotonic()
        self._rate, self._byte_rate = Rate(), Rate()
        self._rate.at(self._spoke, 0)
        self._byte_rate.at(self._spoke, 0)

    def __call__(self, advance: Advance) -> None:
        now = time.monotonic()
        at_its_end = self._display.redraws and advance.done == advance.total
        if now - self._spoke < self._display.seconds and not at_its_end:
            return
        self._spoke = now
        rate, byte_rate = self._rate.at(now, advance.done), self._byte_rate.at(now, advance.bytes)
        self._display.show(advanced(advance, self._noun, rate, byte_rate))


class Display:
    """Shows figures as log lines, `seconds` apart. `redraws`: whether new figures replace the previous ones."""

    def __init__(self, task: str) -> None:
        self._task, self.seconds, self.redraws = task, LINE_SECONDS, False

    def show(self, figures: Figures) -> None:
        log.info("%s: %s%s", self._task, ", ".join(figures.parts), _left(figures))


class _Line(Display):
    """Shows them on one line of a terminal, as far as they fit. rich redraws it four times a second."""

    def __init__(self, task: str) -> None:
        self._task, self.seconds, self.redraws = task, DRAW_SECONDS, True
        self._figures = Figures(())
        self.redraw: Callable[[], None] = lambda: None

    def show(self, figures: Figures) -> None:
        self._figures = figures
        self.redraw()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        # The last column stays free, because some terminals wrap once it is written to.
        width = options.max_width - 1
        cells: list[RenderableType] = [self._task]
        if width >= MIN_COLUMNS_FOR_A_BAR:
            share = self._figures.share
            cells.append(
                ProgressBar(
                    1.0 if share is not None else None,
                    share or 0.0,
                    BAR_COLUMNS,
                    pulse=share is None,
                    pulse_style="cyan",
                    complete_style="cyan",
                    finished_style="green",
                )
            )
            width -= BAR_COLUMNS + 1
        left = _left(self._figures)
        cells.append(_fitting(self._figures.parts, width - len(self._task) - 1 - len(left)) + left)
        line = Table.grid(padding=(0, 1, 0, 0))
        for _ in cells:
            line.add_column(no_wrap=True, overflow="crop")
        line.add_row(*cells)
        yield line


def _left(figures: Figures) -> str:
    return "" if figures.seconds_left is None else f", {duration(figures.seconds_left)} left"


def _fitting(parts: tuple[str, ...], width: int) -> str:
    """Join as many of the parts as fit, from the first on."""
    text = parts[0][: max(0, width)] if parts else ""
    for part in parts[1:]:
        if len(text) + 2 + len(part) > width:
            break
        text += f", {part}"
    return text
