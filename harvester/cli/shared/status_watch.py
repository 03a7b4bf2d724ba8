"""`status --watch`: the screen of `status`, redrawn until a stop signal."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from harvester.cli.shared.console import plain_console, show

if TYPE_CHECKING:
    from harvester.report.screen import Screen


def watch_screen(look: Callable[[], Screen], interval_seconds: float) -> None:
    """Draw the result of `look` repeatedly. The last one stays on the terminal."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    console = plain_console()
    if console.is_dumb_terminal:
        raise click.UsageError("--watch needs a terminal that can be redrawn; TERM says that this one can't.")
    how = Text(f"every {interval_seconds:g} s, Ctrl-C ends", style="dim")
    with _stop_signals() as told_to_stop:
        seen = look()
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(Group(seen, how), refresh=True)
                if told_to_stop(interval_seconds):
                    break
                seen = look()
    show(seen)


@contextmanager
def _stop_signals() -> Iterator[Callable[[float], bool]]:
    """Yield a function that waits some seconds and returns whether SIGINT or SIGTERM came, also before the wait.

    A drawing under way is finished, and the terminal restored.
    """
    # If a signal arrives just before the wait, its Python handler runs only after it. The wakeup descriptor is written
    # to at once.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    woken_before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda seconds: bool(select.select([reading], [], [], seconds)[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken_before)
        os.close(reading)
        os.close(writing)
