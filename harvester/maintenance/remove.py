"""Take ids out of the ledger that a wrong load brought and no call has asked for.

In many short transactions, so that a run meanwhile waits for none of them long.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from harvester.config import Config
from harvester.errors import ConfigError
from harvester.ledger.load_records import LoadRecord, Removal
from harvester.ledger.open import check, open_ledger, open_reader
from harvester.model import Span, VideoState

POSITIONS = 2_000
"""Positions a transaction: each id that goes changes a page of the index by id, and 2,000 pages take a tenth of a
second."""
PAUSE_SECONDS = 0.02
"""Between two transactions, since SQLite keeps no queue: who waits for the lock only looks now and then."""


@dataclass(frozen=True, slots=True)
class Removable:
    """What a removal would take out: ids by state, and the load where one was named."""

    videos: Mapping[VideoState, int]
    load: LoadRecord | None

    @property
    def total(self) -> int:
        return sum(self.videos.values())


def removable(config: Config, which: Removal) -> Removable:
    """What `remove` would do. Reads only. Raises ConfigError where there is no such load."""
    check(config.ledger.url)
    with open_reader(config.ledger.url) as reader:
        load = next((load for load in reader.loads() if load.id == which.load_id), None)
        if which.load_id is not None and load is None:
            raise ConfigError(
                f"There is no load {which.load_id}.",
                state="Nothing was changed.",
                next_step="harvester status --loads lists them.",
            )
        return Removable(reader.removable(which), load)


async def remove(config: Config, which: Removal) -> dict[VideoState, int]:
    """Remove those ids; how many of each state. Cut off and repeated, it continues with those that are left."""
    check(config.ledger.url)
    removed: Counter[VideoState] = Counter()
    async with open_ledger(config.ledger.url) as ledger:
        last = await ledger.last_position()
        for first in range(1, last + 1, POSITIONS):
            chunk = await ledger.remove(Span(first, first + POSITIONS - 1), which)
            removed.update(chunk)
            if chunk:
                await asyncio.sleep(PAUSE_SECONDS)
    return dict(removed)
