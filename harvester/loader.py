"""From a source's chunks of ids into the ledger, counting as it goes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

from harvester.ledger.protocol import Ledger
from harvester.model import Addition, Loaded

if TYPE_CHECKING:
    from harvester.sources import IdChunk

log = logging.getLogger(__name__)

EXAMPLES = 5


async def load(ledger: Ledger, chunks: Iterable[IdChunk]) -> Loaded:
    """Add the ids that are new, in first-seen order, a transaction a chunk.

    Cut off and repeated, it ends as if it had not been cut off: what a chunk added stands, and is found again.
    Memory: two chunks, and one bit for each id that an earlier load had brought.
    """
    start = await ledger.last_position()
    seen = bytearray(start // 8 + 1)
    rows = new = already_there = invalid = 0
    invalid_examples: list[str] = []
    unusual_examples: list[str] = []
    async for chunk, addition in _added(ledger, chunks, start):
        rows += chunk.rows
        new += addition.new
        invalid += addition.new_invalid
        for position, is_invalid in addition.known:
            byte, bit = position // 8, 1 << position % 8
            if not seen[byte] & bit:
                seen[byte] |= bit
                already_there += 1
                invalid += is_invalid
        if len(invalid_examples) < EXAMPLES:
            _keep(invalid_examples, [text for text in chunk.ids if text in chunk.invalid])
        _keep(unusual_examples, chunk.unusual)
        log.info("%d rows read, %d new ids", rows, new)
    return Loaded(
        rows=rows,
        distinct=new + already_there,
        new=new,
        already_there=already_there,
        invalid=invalid,
        invalid_examples=tuple(invalid_examples),
        unusual_examples=tuple(unusual_examples),
    )


async def _added(ledger: Ledger, chunks: Iterable[IdChunk], start: int) -> AsyncIterator[tuple[IdChunk, Addition]]:
    """Each chunk, once it is in the ledger, which takes it while the next one is read."""
    rest = iter(chunks)
    chunk = next(rest, None)
    while chunk is not None:
        adding = asyncio.create_task(ledger.add(chunk.ids, chunk.invalid, start))
        await asyncio.sleep(0)  # it begins
        try:
            following = next(rest, None)
        finally:
            # what follows may fail to be read: this one is told of as being in the ledger
            addition = await adding
        yield chunk, addition
        chunk = following


def _keep(examples: list[str], more: Iterable[str]) -> None:
    for text in more:
        if len(examples) == EXAMPLES:
            return
        if text not in examples:
            examples.append(text)
