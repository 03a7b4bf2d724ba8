"""What was loaded, and which of it to remove. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from harvester.model import VideoState


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """One source that was read into the ledger."""

    id: int
    source: str
    loaded_at: datetime
    rows: int
    new: int
    """Ids that it brought, invalid ones included: those that no earlier load had brought."""
    invalid: int
    removed: int
    finished_at: datetime | None
    """None where the source was not read to its end."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Which ids to remove: those of a state, or those that a load brought. Ids that a call asked for always stay."""

    state: VideoState | None = None
    load_id: int | None = None
