"""The fetched videos one by one, in load order, whatever order of calls brought them.

A stretch of the load order can be read without the others, so a large export can be cut into independent parts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeAlias, TypeVar

from harvester.errors import LedgerDamaged
from harvester.export.formats.statistics_merge import with_statistics
from harvester.export.verified_body import damaged, plain_body
from harvester.ledger.protocol import LedgerReader
from harvester.model import Span
from harvester.support.gzip_body import parse_text

T = TypeVar("T")
Fetched: TypeAlias = tuple[T, datetime]
"""A video, in the form that was asked for, and when it was fetched."""
Reader: TypeAlias = Callable[[bytes], dict[str, T]]
"""From a response's plain body to its videos by id. Raises ValueError where it is none."""

ROWS_AT_ONCE = 250
"""Five calls' worth. Where every id came by another call, so many responses are held at once."""
PAGES_HELD = 24
HELD_BYTES = 32 << 20
"""Of decoded responses, counted as plain JSON. Ids that were asked for again lie in a response far from the others'."""


@dataclass(frozen=True, slots=True)
class _Page(Generic[T]):
    videos: dict[str, T]
    fetched_at: datetime
    raw_bytes: int


def fetched_videos(books: LedgerReader, span: Span, reader: Reader[T]) -> Iterator[list[Fetched[T]]]:
    """The fetched videos of the span, up to ROWS_AT_ONCE at a time. Memory does not grow with the crawl.

    Raises LedgerDamaged where a stored body is not what was stored, or lacks a video that it is said to hold.
    """
    held: OrderedDict[int, _Page[T]] = OrderedDict()
    renewed = books.has_statistics()
    for ids in books.fetched(span, ROWS_AT_ONCE):
        _hold(held, books, ids, reader, renewed)
        yield [_take(held[call_id], video_id, call_id) for video_id, call_id in ids]
        _let_go(held)


def _hold(
    held: OrderedDict[int, _Page[T]],
    books: LedgerReader,
    ids: Sequence[tuple[str, int]],
    reader: Reader[T],
    renewed: bool,
) -> None:
    calls = dict.fromkeys(call_id for _, call_id in ids)
    lacking = [call_id for call_id in calls if call_id not in held]
    newest = {each.call_id: plain_body(each) for each in books.statistics(lacking)} if renewed else {}
    # In this thread: to have zlib unpack in another takes longer, since reading videos rarely releases Python's lock.
    for response in books.bodies(lacking):
        plain = plain_body(response)
        try:
            if response.call_id in newest:
                plain = parse_text(with_statistics, plain, newest[response.call_id])
            held[response.call_id] = _Page(parse_text(reader, plain), response.fetched_at, len(plain))
        except (ValueError, RecursionError) as error:
            raise damaged(response, f"it is no page of videos ({error})") from error
    for call_id in calls:
        if call_id not in held:
            raise _lost(f"The response of call {call_id} is not there.")
        held.move_to_end(call_id)


def _let_go(held: OrderedDict[int, _Page[T]]) -> None:
    """Forget those that were not needed for longest."""
    size = sum(page.raw_bytes for page in held.values())
    while len(held) > PAGES_HELD or (size > HELD_BYTES and len(held) > 1):
        _, page = held.popitem(last=False)
        size -= page.raw_bytes


def _take(page: _Page[T], video_id: str, call_id: int) -> Fetched[T]:
    try:
        return page.videos[video_id], page.fetched_at
    except KeyError:
        raise _lost(f"The response of call {call_id} does not hold the video {video_id}.") from None


def _lost(what: str) -> LedgerDamaged:
    return LedgerDamaged(
        what, state="The ledger was only read.", next_step="harvester verify says what else does not balance."
    )
