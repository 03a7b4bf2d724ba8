"""Records of loads and of responses, and which ids to remove. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from harvester.model import VideoState


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """One source that was read into the ledger."""

    id: int
    source: str
    loaded_at: datetime
    rows: int
    new: int
    """Ids added by this load, invalid ones included: those that no earlier load had added."""
    invalid: int
    removed: int
    finished_at: datetime | None
    """None where the source was not read to its end."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Which ids to remove: those of a state, or those of a load. Ids that were part of a call always stay."""

    state: VideoState | None = None
    load_id: int | None = None


@dataclass(slots=True)
class Loaded:
    """What a load of one source or several has done so far: `distinct = new + already_there`, invalid ids included."""

    rows: int = 0
    distinct: int = 0
    new: int = 0
    already_there: int = 0
    invalid: int = 0
    """Distinct texts that cannot be ids."""
    invalid_examples: Sequence[str] = field(default=())
    unusual_examples: Sequence[str] = field(default=())
    """Well-formed ids whose last character no known id has: sent to the API all the same."""
    invalid_rows: int = field(default=0, compare=False)
    """Rows whose text cannot be an id; a text that comes often may be counted fewer times."""

    @property
    def mostly_valid(self) -> bool:
        """Whether at most one row in ten, and one text in ten, cannot be an id."""
        return 10 * self.invalid_rows <= self.rows and 10 * self.invalid <= self.distinct


class OldResponse(NamedTuple):
    """A stored response found by its age: its call, and how many positions its ids span."""

    call_id: int
    position_span: int


class PartsAsked(NamedTuple):
    """How many of the stored responses have these parts."""

    parts: str | None
    """As `YouTubeSettings.asked`; None in calls of versions that did not note them."""
    responses: int
