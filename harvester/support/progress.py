"""Progress of a long piece of work, as its callbacks hear it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Advance:
    """Where a piece of work stands: `done` of `total`, in its own unit, and the bytes that went through."""

    done: int
    total: int | None = None
    """None where only the end tells."""
    bytes: int = 0
    all_bytes: int | None = None
    """Of the whole, where that is known and `total` is not."""
    note: str = ""
    """What else to show."""


ProgressCallback: TypeAlias = Callable[[Advance], None]
"""Called often: it has to be quick."""


def no_progress(_: Advance) -> None:
    """A progress callback that does nothing."""
