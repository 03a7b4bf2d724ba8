"""Ids that are to be asked for again, in many short transactions: a run beside them waits for none of them long."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from harvester.ledger.protocol import Ledger
from harvester.model import NOTHING_STORED, OldResponse, Span, Stored, VideoState

POSITIONS = 5_000
"""Ids looked at in one transaction."""
RESPONSES = 100
"""Most responses deleted in one transaction."""
MAX_ROWS_SCANNED = 200_000
"""Most rows that it may read for the ids of those responses, unless one of them alone takes more."""
PAUSE_SECONDS = 0.02
"""Between two transactions, since SQLite keeps no queue: who waits for the lock only looks now and then."""


async def requeue_ids(
    ledger: Ledger, states: Collection[VideoState], reasons: Collection[str] | None
) -> dict[VideoState, int]:
    """Make them pending; how many of each state. Cut off and repeated, it continues with those that are left."""
    moved: Counter[VideoState] = Counter(dict.fromkeys(states, 0))
    last = await ledger.last_position()
    for first in range(1, last + 1, POSITIONS):
        chunk = await ledger.requeue(Span(first, first + POSITIONS - 1), states, reasons)
        moved.update(chunk)
        if any(chunk.values()):
            await asyncio.sleep(PAUSE_SECONDS)
    return dict(moved)


async def prune(ledger: Ledger, before: datetime, now: datetime) -> Stored:
    """Delete the responses that were fetched before then. Cut off and repeated, it continues with what is left."""
    total = NOTHING_STORED
    after = 0
    while old := await ledger.old_responses(before, after, RESPONSES):
        after = old[-1].call_id
        for call_ids in _by_position_span(old):
            total = total.plus(await ledger.prune(call_ids, before, now))
            await asyncio.sleep(PAUSE_SECONDS)
    return total


def _by_position_span(old: Sequence[OldResponse]) -> Iterator[list[int]]:
    calls: list[int] = []
    position_span = 0
    for response in old:
        if calls and position_span + response.position_span > MAX_ROWS_SCANNED:
            yield calls
            calls, position_span = [], 0
        calls.append(response.call_id)
        position_span += response.position_span
    yield calls
