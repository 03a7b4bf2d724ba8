"""Make failed or missing ids pending again, in many short transactions, so that a run meanwhile waits for none long."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection

from harvester.ledger.ledger import Ledger
from harvester.model import Span, VideoState

POSITIONS = 5_000
"""Ids looked at in one transaction."""
PAUSE_SECONDS = 0.02
"""Between two transactions, since SQLite keeps no queue: who waits for the lock only looks now and then."""


async def requeue_ids(
    ledger: Ledger, states: Collection[VideoState], reasons: Collection[str] | None
) -> dict[VideoState, int]:
    """Make these ids pending; how many of each state. Interrupted and repeated, this continues with what is left."""
    moved: Counter[VideoState] = Counter(dict.fromkeys(states, 0))
    last = await ledger.last_position()
    for first in range(1, last + 1, POSITIONS):
        chunk = await ledger.requeue(Span(first, first + POSITIONS - 1), states, reasons)
        moved.update(chunk)
        if any(chunk.values()):
            await asyncio.sleep(PAUSE_SECONDS)
    return dict(moved)
