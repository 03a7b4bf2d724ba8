"""How far a long command is: a bar on a terminal, a log line now and then without one."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harvester.watch import Advance, Watch

if TYPE_CHECKING:
    from rich.progress import Progress

log = logging.getLogger(__name__)

LINE_SECONDS = 30.0
"""Between two log lines."""
DRAW_SECONDS = 0.1


@contextmanager
def progress(task: str, noun: str, verbosity: int = 0) -> Iterator[Watch]:
    """A Watch that shows on stderr how far `task` is, counted in `noun`: done of total, bytes, rate and time left."""
    if verbosity < 0 or not sys.stderr.isatty():
        yield _Lines(task, noun)
        return
    with _bar() as bar, _logging_above_it():
        yield _Drawn(bar, task, noun)


@contextmanager
def _logging_above_it() -> Iterator[None]:
    """rich puts itself in place of `sys.stderr` while it draws; the log's handlers hold the one from before."""
    handlers = [h for h in logging.getLogger("harvester").handlers if isinstance(h, logging.StreamHandler)]
    before = [handler.setStream(sys.stderr) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            if stream is not None:
                handler.setStream(stream)


class _Lines:
    """For logs and cron."""

    def __init__(self, task: str, noun: str) -> None:
        self._task, self._noun = task, noun
        self._began = self._spoke = time.monotonic()

    def __call__(self, advance: Advance) -> None:
        now = time.monotonic()
        if now - self._spoke < LINE_SECONDS:
            return
        self._spoke = now
        rate = advance.done / (now - self._began)
        left = f", about {(advance.total - advance.done) / rate:,.0f} s left" if rate else ""
        log.info(
            "%s: %s of %s %s, %.1f MB, %s a second%s",
            self._task,
            f"{advance.done:,}",
            f"{advance.total:,}",
            self._noun,
            advance.bytes / 1e6,
            f"{rate:,.0f}",
            left,
        )


class _Drawn:
    """For people."""

    def __init__(self, bar: Progress, task: str, noun: str) -> None:
        self._bar = bar
        self._task = bar.add_task(task, total=None, noun=noun, size=0)
        self._drawn = 0.0

    def __call__(self, advance: Advance) -> None:
        now = time.monotonic()
        if now - self._drawn < DRAW_SECONDS and advance.done != advance.total:
            return
        self._drawn = now
        self._bar.update(self._task, completed=advance.done, total=advance.total, size=advance.bytes, refresh=True)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Figures(ProgressColumn):
        """Done of total, rate and bytes."""

        def render(self, task: Task) -> Text:
            total = f" of {task.total:,.0f}" if task.total is not None else ""
            rate = f", {task.speed:,.0f}/s" if task.speed else ""
            size = f", {task.fields['size'] / 1e6:,.1f} MB" if task.fields["size"] else ""
            return Text(f"{task.completed:,.0f}{total} {task.fields['noun']}{rate}{size}")

    columns = (TextColumn("{task.description}"), BarColumn(20), Figures(), TimeRemainingColumn(compact=True))
    return Progress(*columns, console=Console(stderr=True), transient=True)
