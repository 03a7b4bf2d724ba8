"""Load the ids of a source into the ledger, chunk by chunk, and count them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, closing
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING

from harvester.errors import HarvesterError
from harvester.ledger.ledger import Ledger
from harvester.ledger.records import Loaded
from harvester.model import Addition
from harvester.support.progress_callback import Advance, ProgressCallback, no_progress
from harvester.support.sanitize import count

if TYPE_CHECKING:
    from harvester.sources import IdChunk

log = logging.getLogger(__name__)

EXAMPLES = 5
READ_AHEAD_IDS = 500_000
"""How many ids may wait for the ledger while more are read: a play log brings most of its songs at its beginning."""


def _now() -> datetime:
    return datetime.now(UTC)


class Reading:
    """The progress of a load: bytes read, and what it has done."""

    def __init__(self, progress: ProgressCallback = no_progress) -> None:
        self.loaded = Loaded()
        self._progress = progress
        self._bytes = 0
        self._size: int | None = None

    def read(self, done: int, size: int | None) -> None:
        """Count a block that was read from the source."""
        self._bytes, self._size = done, size
        self.report()

    def report(self) -> None:
        """Pass the progress to the callback."""
        rows, new = self.loaded.rows, self.loaded.new
        self._progress(Advance(rows, bytes=self._bytes, all_bytes=self._size, note=f"{new:,} new"))


class SeenBefore:
    """Which ids the ledger held before the load, and which of them came again: one bit for each."""

    def __init__(self, last_position: int) -> None:
        self.last_position = last_position
        self._seen = bytearray(last_position // 8 + 1)

    def is_first_time(self, position: int) -> bool:
        """Whether this id comes for the first time, and note that it came."""
        byte, bit = position // 8, 1 << position % 8
        first = not self._seen[byte] & bit
        self._seen[byte] |= bit
        return first


async def load_all(
    opening: Callable[[], AbstractAsyncContextManager[Ledger]],
    sources: Iterable[tuple[str, Generator[IdChunk, None, None]]],
    reading: Reading | None = None,
    now: Callable[[], datetime] = _now,
) -> Loaded:
    """Add the ids of several named sources, one after another, and count them together.

    The ledger is opened after the first chunk was read, so a source that can't be read creates no ledger.
    """
    reading = reading or Reading()
    known: SeenBefore | None = None
    async with AsyncExitStack() as stack:
        for source, chunks in sources:
            rows_before = reading.loaded.rows
            try:
                with closing(chunks):
                    first = list(islice(chunks, 1))
                    if known is None:
                        ledger = await stack.enter_async_context(opening())
                        known = SeenBefore(await ledger.last_position())
                    await load(ledger, chain(first, chunks), reading, source=source, now=now, known=known)
            except HarvesterError as error:
                if rows_before:
                    rows = count(rows_before, "row")
                    error.state = f"The sources before it are in the ledger: {rows}. {error.state}"
                raise
    return reading.loaded


async def load(
    ledger: Ledger,
    chunks: Iterable[IdChunk],
    reading: Reading | None = None,
    *,
    source: str | None = None,
    now: Callable[[], datetime] = _now,
    known: SeenBefore | None = None,
) -> Loaded:
    """Add the ids that are new, in first-seen order, a transaction a chunk.

    An interrupted load can be repeated, with the same result: chunks that were added stay.
    Several sources that share `reading` and `known` are counted as one.
    Memory: two chunks or READ_AHEAD_IDS, and `known`. The load is recorded under the name `source`, if given.
    """
    load_id = None if source is None else await ledger.open_load(source, now())
    known = known or SeenBefore(await ledger.last_position())
    reading = reading or Reading()
    loaded = reading.loaded
    rows_before, new_before = loaded.rows, loaded.new
    invalid_examples: tuple[str, ...] = ()
    unusual_examples: tuple[str, ...] = ()
    async for chunk, addition in _added(ledger, chunks, known.last_position, load_id):
        already_there = [is_invalid for position, is_invalid in addition.known if known.is_first_time(position)]
        loaded.rows += chunk.rows
        loaded.distinct += addition.new + len(already_there)
        loaded.new += addition.new
        loaded.already_there += len(already_there)
        loaded.invalid += addition.new_invalid + sum(already_there)
        loaded.invalid_rows += chunk.invalid_rows
        if len(invalid_examples) < EXAMPLES:
            invalid_examples = _distinct(invalid_examples, [text for text in chunk.ids if text in chunk.invalid])
        unusual_examples = _distinct(unusual_examples, chunk.unusual)
        rows, new = loaded.rows - rows_before, loaded.new - new_before
        log.debug("%s rows read, %s new ids", f"{rows:,}", f"{new:,}")
        reading.report()
    if load_id is not None:
        await ledger.close_load(load_id, now())
    loaded.invalid_examples = tuple(dict.fromkeys([*loaded.invalid_examples, *invalid_examples]))
    loaded.unusual_examples = tuple(dict.fromkeys([*loaded.unusual_examples, *unusual_examples]))
    return loaded


async def _added(
    ledger: Ledger, chunks: Iterable[IdChunk], start: int, load_id: int | None
) -> AsyncIterator[tuple[IdChunk, Addition]]:
    """Yield each chunk once it is in the ledger. Chunks are added while the next ones are read."""
    waiting: deque[tuple[IdChunk, asyncio.Task[Addition]]] = deque()
    ids = 0
    try:
        for chunk in chunks:
            ids += len(chunk.ids)
            while waiting and (waiting[0][1].done() or ids > READ_AHEAD_IDS or chunk.invalid):
                ids -= len(waiting[0][0].ids)
                yield waiting[0][0], await waiting.popleft()[1]
            adding = ledger.add(chunk.ids, chunk.invalid, start, load_id, chunk.rows)
            waiting.append((chunk, asyncio.create_task(adding)))
            await asyncio.sleep(0)  # it begins
    finally:
        # What follows may fail to be read: these are told of as being in the ledger.
        await asyncio.gather(*(task for _, task in waiting))
    for chunk, task in waiting:
        yield chunk, await task


def _distinct(examples: Sequence[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*examples, *more]))[:EXAMPLES]
