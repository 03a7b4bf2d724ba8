"""A request to stop a run."""

from __future__ import annotations

import asyncio


class Stop:
    """A request to stop: the first drains the run, the second ends it at once."""

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self.at_once = asyncio.Event()

    def ask(self) -> None:
        """Ask for a stop."""
        (self.at_once if self.draining.is_set() else self.draining).set()
