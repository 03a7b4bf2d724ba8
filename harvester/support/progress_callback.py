"""Progress of long work, as passed to callbacks. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Advance:
    """The progress of some work: `done` of `total`, in its own unit, and the bytes processed."""

    done: int
    total: int | None = None
    """None if it is unknown until the end."""
    bytes: int = 0
    all_bytes: int | None = None
    """Bytes of the whole, if known while `total` is not."""
    note: str = ""
    """What else to show."""


ProgressCallback: TypeAlias = Callable[[Advance], None]
"""Called often: it has to be quick."""


def no_progress(_: Advance) -> None:
    """A progress callback that does nothing."""
