"""Read the fetched videos one by one in load order, whichever calls brought them.

A span of the load order can be read without the others, so a large export can be cut into independent parts.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar, cast

import msgspec

from harvester.errors import LedgerDamaged
from harvester.export.counters import Counters
from harvester.export.prefetch import ahead
from harvester.export.verified_body import damaged, plain_body
from harvester.model import Span, StoredResponse
from harvester.support.json_text import parse_text

if TYPE_CHECKING:
    from harvester.ledger.reader import LedgerReader

T = TypeVar("T")

ROWS_AT_ONCE = 250
"""Videos of five calls. If each came by another call, this many responses are held at once."""
PAGES_HELD = 24
UNDER_WAY = 1
"""Pieces that are made while the next lines are cut out. Two would cost 35 MB and a tenth of the CPU time more."""
HELD_BYTES = 32 << 20
"""Most bytes of decoded responses, as plain JSON. Refetched ids may be in responses of much later calls."""


class Items(msgspec.Struct, Generic[T]):
    """A response, as far as it is read here."""

    items: list[T]


class _Item(msgspec.Struct):
    id: str


class _Renewed(msgspec.Struct):
    id: str
    statistics: msgspec.Raw = msgspec.Raw(b"{}")


_Fields = dict[str, msgspec.Raw]
_ids = msgspec.json.Decoder(Items[_Item])
_raws = msgspec.json.Decoder(Items[msgspec.Raw])
_statistics = msgspec.json.Decoder(Items[_Renewed])
_videos = msgspec.json.Decoder(Items[_Fields])
_fields = msgspec.json.Decoder(_Fields)
_id = msgspec.json.Decoder(str)
# How the API begins a video. Reading the id alone halves the time.
_USUAL_ID = re.compile(rb'\{"kind":"youtube#video","etag":"[^"\\]*","id":"([^"\\]*)"').match


@dataclass(frozen=True, slots=True)
class Lines:
    """Videos in load order, each as the API sent it, except for line breaks and lone surrogates."""

    videos: list[bytes]
    fetched_at: list[datetime]


V = TypeVar("V")


@dataclass(slots=True)
class Page(Generic[V]):
    """A stored response, decompressed."""

    plain: bytes
    fetched_at: datetime
    videos: dict[str, V]
    """By id. Raw is V, or one of its alternatives."""

    def is_unbroken(self) -> bool:
        """Whether there is no line break except at the end."""
        return self.plain.find(b"\n", 0, -2) < 0 and self.plain.find(b"\r", 0, -2) < 0

    def find(self, video_id: str, call_id: int) -> V:
        """Return a video. Raises LedgerDamaged if it is not there."""
        if video_id not in self.videos:
            # If a name occurs twice in an object, the last one counts.
            self.videos = cast("dict[str, V]", parse_text(_by_any_id, self.plain))
            if video_id not in self.videos:
                raise _lost(f"The response of call {call_id} does not hold the video {video_id}.")
        return self.videos[video_id]


Held: TypeAlias = OrderedDict[int, Page[V]]
"""Responses by call."""
VideosOf: TypeAlias = Callable[[bytes, datetime], dict[str, V]]


class Source(Protocol):
    """What is read of a ledger here: a LedgerReader, or an Excerpt."""

    def has_statistics(self) -> bool: ...
    def fetched(self, span: Span, size: int) -> Iterator[Sequence[tuple[str, int]]]: ...
    def bodies(self, call_ids: Sequence[int]) -> Iterator[StoredResponse]: ...
    def statistics(self, call_ids: Sequence[int]) -> Iterator[StoredResponse]: ...


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Fetched videos and the stored responses that hold them: all that another process needs to make rows of them."""

    ids: Sequence[tuple[str, int]]
    """Each video's id and call."""
    responses: list[StoredResponse]
    newest: list[StoredResponse]
    """Statistics that were fetched by themselves, as `LedgerReader.statistics` yields them."""

    def has_statistics(self) -> bool:
        return bool(self.newest)

    def fetched(self, span: Span, size: int) -> Iterator[Sequence[tuple[str, int]]]:
        yield from (self.ids[start : start + size] for start in range(0, len(self.ids), size))

    def bodies(self, call_ids: Sequence[int]) -> Iterator[StoredResponse]:
        return (each for each in self.responses if each.call_id in call_ids)

    def statistics(self, call_ids: Sequence[int]) -> Iterator[StoredResponse]:
        return (each for each in self.newest if each.call_id in call_ids)


def made_of_videos(
    reader: LedgerReader, span: Span, counters: Counters, make: Callable[[Lines], T], rows: int = ROWS_AT_ONCE
) -> Iterator[T]:
    """Yield the results of `make` for groups of `rows` videos, made in another thread while the next ones are cut
    out."""

    def made(lines: Lines) -> tuple[int, T]:
        return len(lines.videos), make(lines)

    # Closed here, before the ledger is, also if making is interrupted.
    with closing(gathered(video_lines(reader, span), rows)) as lines:
        for videos, each in ahead(made, lines, depth=UNDER_WAY):
            counters.videos += videos
            yield each


def gathered(chunks: Iterator[Lines], rows: int) -> Generator[Lines, None, None]:
    """The same videos, at least so many at a time."""
    so_far = Lines([], [])
    for lines in chunks:
        so_far = Lines(so_far.videos + lines.videos, so_far.fetched_at + lines.fetched_at)
        if len(so_far.videos) >= rows:
            yield so_far
            so_far = Lines([], [])
    if so_far.videos:
        yield so_far


def excerpts(reader: LedgerReader, span: Span, size: int) -> Generator[Excerpt, None, None]:
    """Yield the fetched videos of the span, `size` at a time."""
    has_statistics = reader.has_statistics()
    for ids in reader.fetched(span, size):
        calls = list({call_id: None for _, call_id in ids})
        newest = list(reader.statistics(calls)) if has_statistics else []
        yield Excerpt(ids, list(reader.bodies(calls)), newest)


def video_lines(reader: LedgerReader, span: Span) -> Iterator[Lines]:
    """Yield the fetched videos of the span, up to ROWS_AT_ONCE at a time, in bounded memory.

    Raises LedgerDamaged if a stored body is damaged, or lacks a video that the ledger says it holds.
    """
    for ids, held in pages(reader, span, lambda plain, _: videos_of(plain)):
        raws = [held[call_id].find(video_id, call_id) for video_id, call_id in ids]
        unbroken = all(held[call_id].is_unbroken() for call_id in {call_id for _, call_id in ids})
        # Copied, because each slice keeps its whole response in memory.
        yield Lines(
            list(map(bytes if unbroken else on_one_line, raws)), [held[call_id].fetched_at for _, call_id in ids]
        )


def pages(source: Source, span: Span, videos_in: VideosOf[V]) -> Iterator[tuple[Sequence[tuple[str, int]], Held[V]]]:
    """Yield id and call of the fetched videos of the span, up to ROWS_AT_ONCE at a time, with the responses that hold
    them. `videos_in` is given one's text and when it was fetched, and returns its videos by id."""
    held: Held[V] = OrderedDict()
    has_statistics = source.has_statistics()
    for ids in source.fetched(span, ROWS_AT_ONCE):
        _hold(held, source, ids, has_statistics, videos_in)
        yield ids, held
        _let_go(held)


def _hold(
    held: Held[V], source: Source, ids: Sequence[tuple[str, int]], has_statistics: bool, videos_in: VideosOf[V]
) -> None:
    """Keep the responses that hold the ids in `held`."""
    calls = dict.fromkeys([call_id for _, call_id in ids])
    lacking = [call_id for call_id in calls if call_id not in held]
    newest = {each.call_id: plain_body(each) for each in source.statistics(lacking)} if has_statistics else {}
    # In this thread: decompressing in another takes longer, because reading videos rarely releases the GIL.
    for response in source.bodies(lacking):
        held[response.call_id] = _page(response, newest.get(response.call_id), videos_in)
    for call_id in calls:
        if call_id not in held:
            raise _lost(f"The response of call {call_id} is not there.")
        held.move_to_end(call_id)


def _page(response: StoredResponse, newest: bytes | None, videos_in: VideosOf[V]) -> Page[V]:
    plain = plain_body(response)
    try:
        if newest is not None:
            plain = parse_text(with_statistics, plain, newest)
        videos = parse_text(lambda text: videos_in(text, response.fetched_at), plain)
        return Page(plain, response.fetched_at, videos)
    except (ValueError, RecursionError) as error:
        raise damaged(response, f"it is no page of videos ({error})") from error


def with_statistics(plain: bytes, newest: bytes) -> bytes:
    """Return the response `plain`, with the counts of `newest` in its videos.

    Raises ValueError if one of them is no list of videos.
    """
    renewed = {video.id: _object(video.statistics) for video in _statistics.decode(newest).items}
    videos = _videos.decode(plain)
    for video in videos.items:
        if counts := renewed.get(_id.decode(video.get("id", msgspec.Raw(b"null")))):
            before = _object(video.get("statistics", msgspec.Raw(b"{}")))
            video["statistics"] = msgspec.Raw(msgspec.json.encode(before | counts))
    return msgspec.json.encode(videos)


def _object(raw: msgspec.Raw) -> _Fields:
    """Return its fields; none if it is no object."""
    return _fields.decode(raw) if bytes(raw).startswith(b"{") else {}


def videos_of(plain: bytes) -> dict[str, msgspec.Raw]:
    """Return the video resources of a response by id, each as it was sent."""
    raws = _raws.decode(plain).items
    videos = {match[1].decode(): raw for raw in raws if (match := _USUAL_ID(raw))}
    if len(videos) == len(raws):
        return videos
    return _by_any_id(plain)


def _by_any_id(plain: bytes) -> dict[str, msgspec.Raw]:
    """The same, wherever the id is in a video."""
    items = _ids.decode(plain).items
    return {item.id: raw for item, raw in zip(items, _raws.decode(plain).items, strict=True)}


def on_one_line(raw: msgspec.Raw) -> bytes:
    """Return a video without line breaks."""
    # Line breaks are only between tokens: within a JSON string they are escaped.
    plain = bytes(raw)
    return msgspec.json.format(plain, indent=-1) if b"\n" in plain or b"\r" in plain else plain


def _let_go(held: Held[V]) -> None:
    """Drop the responses that were not needed for the longest time."""
    size = sum(len(page.plain) for page in held.values())
    while len(held) > PAGES_HELD or (size > HELD_BYTES and len(held) > 1):
        _, page = held.popitem(last=False)
        size -= len(page.plain)


def _lost(what: str) -> LedgerDamaged:
    return LedgerDamaged(
        what, state="The ledger was only read.", next_step="Run harvester verify to see what else does not agree."
    )


def no_video(error: Exception) -> LedgerDamaged:
    """Return the error for a line that is no video."""
    return LedgerDamaged(
        f"A stored response holds what is no video: {error}.",
        state="The ledger was only read.",
        next_step="Run harvester verify to see every damaged call.",
    )
