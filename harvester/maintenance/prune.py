"""Delete old stored responses, in many short transactions, so that a run meanwhile waits for none long."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime

from harvester.ledger.ledger import Ledger
from harvester.maintenance.requeue import PAUSE_SECONDS
from harvester.model import NOTHING_STORED, OldResponse, Stored

RESPONSES = 100
"""Most responses deleted in one transaction."""
MAX_ROWS_SCANNED = 200_000
"""Most positions that the ids of those responses lie over, unless one response alone takes more."""


async def prune(ledger: Ledger, before: datetime, now: datetime) -> Stored:
    """Delete the responses fetched before `before`. Interrupted and repeated, this continues with what is left."""
    total = NOTHING_STORED
    after = 0
    while old := await ledger.old_responses(before, after, RESPONSES):
        after = old[-1].call_id
        for call_ids in _by_position_span(old):
            total = total.plus(await ledger.prune(call_ids, before, now))
            await asyncio.sleep(PAUSE_SECONDS)
    return total


def _by_position_span(old: Sequence[OldResponse]) -> Iterator[list[int]]:
    """The calls of these responses, as many at a time as lie over MAX_ROWS_SCANNED positions."""
    calls: list[int] = []
    position_span = 0
    for response in old:
        if calls and position_span + response.position_span > MAX_ROWS_SCANNED:
            yield calls
            calls, position_span = [], 0
        calls.append(response.call_id)
        position_span += response.position_span
    yield calls
