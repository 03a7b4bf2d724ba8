"""`csv`: one video a row, by RFC 4180; the scalar columns of Parquet, and lists of texts as JSON.

The rows of usual videos are made in half the time: only what has a column is decoded, and the cells of objects that
many videos share are cached. What is not expected there raises one of UNUSUAL, and the row is made field by field.
"""

# ruff: noqa: N815 (the API names the fields)

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Raw

from harvester.errors import LedgerDamaged
from harvester.export.counters import Counters
from harvester.export.formats.csv.cells import END, FORMULA, GUARD, ROWS_IN_A_PIECE, cells_of, header, safe_text, text
from harvester.export.formats.stored_videos import Excerpt, Items, Lines, excerpts, on_one_line, pages, videos_of
from harvester.export.formats.table_rows import TABLE_COLUMNS, isoformat, table_rows
from harvester.export.formats.video_fields import ABSENT, Statistics, Thumbnails
from harvester.export.worker_processes import in_processes
from harvester.model import EVERYTHING, Span

if TYPE_CHECKING:
    from harvester.ledger.reader import LedgerReader

T = TypeVar("T")

HEADER = header(TABLE_COLUMNS)
UNUSUAL = (msgspec.MsgspecError, ValueError, RecursionError, LedgerDamaged)

LARGEST_SHARED = 2_000
"""Most bytes of an object whose cells are cached."""
SHARED = 4_096
"""Objects whose cells are cached."""

_NOTHING = Raw(b"")
_EMPTY = Raw(b"{}")


class _Usual(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An object with the fields that nearly all videos have, in the order in which they are sent."""


class _Localized(_Usual, frozen=True):
    title: Raw = _NOTHING
    description: Raw = _NOTHING


class _Snippet(_Usual, frozen=True):
    publishedAt: str = ABSENT
    channelId: str = ABSENT
    title: Raw = _NOTHING
    description: Raw = _NOTHING
    thumbnails: Thumbnails = ABSENT
    channelTitle: str = ABSENT
    tags: Raw = _NOTHING
    categoryId: str = ABSENT
    liveBroadcastContent: str = ABSENT
    defaultLanguage: str = ABSENT
    localized: _Localized = _Localized()
    defaultAudioLanguage: str = ABSENT


class _Video(_Usual, frozen=True, kw_only=True):
    """A video with the parts that are asked for by default."""

    kind: str = ABSENT
    etag: str = ABSENT
    id: str
    snippet: _Snippet = _Snippet()
    contentDetails: Raw = _EMPTY
    status: Raw = _EMPTY
    statistics: Statistics = Statistics()
    topicDetails: Raw = _EMPTY


_video = msgspec.json.Decoder(_Video, strict=False)
_page = msgspec.json.Decoder(Items[_Video], strict=False)
_text = msgspec.json.Decoder(str)
_texts = msgspec.json.Decoder(list[str])
_others = attrgetter("categoryId", "liveBroadcastContent", "defaultLanguage", "defaultAudioLanguage")
_AT = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES = [name for name, _ in TABLE_COLUMNS]
_OTHER = _NAMES.index("other_json")
_REST = b"," * (_OTHER - max(index for index, name in enumerate(_NAMES) if name.startswith("topicDetails_")))
"""The columns of all other parts and `other_json`, empty, from the comma before to the comma behind them."""
_USUAL_LENGTH = len("2010-05-01T12:00:00Z")


def csv_file(reader: LedgerReader, span: Span, counters: Counters, *, safe: bool = False) -> Iterator[bytes]:
    """Yield the fetched videos of the span in load order. If `safe`, no text begins like a formula."""
    yield HEADER
    # Closed here, before the ledger is, also if a result is not awaited any more.
    with closing(excerpts(reader, span, ROWS_IN_A_PIECE)) as items:
        for videos, text in in_processes(partial(text_of, safe=safe), items):
            counters.videos += videos
            yield text


def text_of(excerpt: Excerpt, *, safe: bool) -> tuple[int, bytes]:
    """Return the number of videos, and their rows."""
    rows: list[bytes] = []
    for ids, held in pages(excerpt, EVERYTHING, partial(usual_rows, safe=safe)):
        for video_id, call_id in ids:
            row = held[call_id].find(video_id, call_id)
            if isinstance(row, Raw):
                row = row_by_fields(on_one_line(row), held[call_id].fetched_at, safe=safe)
            rows.append(row)
    return len(rows), b"".join(rows)


def row_by_fields(line: bytes, fetched_at: datetime, *, safe: bool) -> bytes:
    """Return the row of any video, with its line end. Raises LedgerDamaged if it is none."""
    (row,) = table_rows(Lines([line], [fetched_at]))
    return ",".join(cells_of(row, safe=safe)).encode() + END


def usual_rows(plain: bytes, fetched_at: datetime, *, safe: bool) -> dict[str, bytes | Raw]:
    """Return the rows of the videos of a response by id; those that are not usual as they were sent."""
    end = _REST + isoformat(fetched_at).encode() + END
    try:
        return _rows(_page.decode(plain).items, end, safe=safe)
    except UNUSUAL:
        return {video_id: _row_if_usual(raw, end, safe=safe) for video_id, raw in videos_of(plain).items()}


def _row_if_usual(raw: Raw, end: bytes, *, safe: bool) -> bytes | Raw:
    try:
        (row,) = _rows([_video.decode(raw)], end, safe=safe).values()
    except UNUSUAL:
        return raw
    return row


def _rows(videos: list[_Video], end: bytes, *, safe: bool) -> dict[str, bytes | Raw]:
    """Return the rows by id. `end` is what follows the columns of topics. Raises one of UNUSUAL.

    Each column is made for all videos at once: Python takes longer for a call than for what it does to a few bytes.
    """
    cells = _SAFE_CELLS if safe else _CELLS
    snippets = [video.snippet for video in videos]
    _check_moments([each.publishedAt for each in snippets if each.publishedAt is not None])
    texts = cells.texts([each for snippet in snippets for each in (snippet.title, snippet.description)])
    tags = _each_as_bytes([each.tags for each in snippets])
    b"".join(tags).decode()  # only checked, for they may be copied
    columns = (
        map(cells.head, videos),
        texts,
        [_tags(each) if each else b"" for each in tags],
        [cells.others[_others(each)] for each in snippets],
        map(cells.localized, snippets, texts),
        map(cells.details.__getitem__, _each_as_bytes([each.contentDetails for each in videos])),
        map(cells.status.__getitem__, _each_as_bytes([each.status for each in videos])),
        [_counts(each.statistics) for each in videos],
        map(cells.topics.__getitem__, _each_as_bytes([each.topicDetails for each in videos])),
        [end] * len(videos),
    )
    return dict(zip([each.id for each in videos], map(b",".join, zip(*columns, strict=True)), strict=True))


def _check_moments(moments: list[str]) -> None:
    """Raise one of UNUSUAL if they are not all in the form that the API sends."""
    times = "".join(moments)
    if times[10::_USUAL_LENGTH] + times[19::_USUAL_LENGTH] != "T" * len(moments) + "Z" * len(moments):
        raise ValueError("not in the usual form")
    msgspec.convert(moments, list[datetime])


def _each_as_bytes(sent: list[Raw]) -> list[bytes]:
    return b"\0".join(sent).split(b"\0")


def _tags(sent: bytes) -> bytes:
    """Return the cell of a list of texts. Raises one of UNUSUAL if it is none."""
    doubled = sent.replace(b'"', b'""')
    quotes = len(doubled) - len(sent)
    # Without escapes, each quotation mark begins or ends a text. If nothing but a comma is between two, JSON is copied.
    if b"\\" in sent or sent[:2] + sent[-2:] != b'[""]' or quotes != 2 + 2 * sent.count(b'","', 2, -2):
        doubled = msgspec.json.encode(_texts.decode(sent)).replace(b'"', b'""')
    return b'"%b"' % doubled


def _counts(of: Statistics) -> bytes:
    counts = f"{of.viewCount},{of.likeCount},{of.dislikeCount},{of.favoriteCount},{of.commentCount}"
    return counts.replace("None", "").encode()


class _Shared(dict[T, bytes]):
    """Cells by what was sent: a cache for what many videos share."""

    def __init__(self, make: Callable[[T], bytes]) -> None:
        self._make = make

    def __missing__(self, sent: T) -> bytes:
        if len(self) >= SHARED:
            self.clear()
        self[sent] = made = self._make(sent)
        return made


class _Cells:
    """Make the cells of several columns at once. Raises one of UNUSUAL."""

    def __init__(self, *, safe: bool) -> None:
        self._safe = safe
        self._text = safe_text if safe else text
        self.details = _Shared(partial(self._part, "contentDetails"))
        self.status = _Shared(partial(self._part, "status"))
        self.topics = _Shared(partial(self._part, "topicDetails"))
        self.others = _Shared(self._joined)

    def texts(self, sent: list[Raw]) -> list[bytes]:
        """Return the cells of title and description of each video."""
        # Decoded in one call, which is faster than one for each text.
        decoded = _texts.decode(b"[%b]" % b",".join(sent))
        if self._safe:
            decoded = [GUARD + each if each.startswith(FORMULA) else each for each in decoded]
        texts = [each.replace(b'"', b'""') if b'"' in each else each for each in map(str.encode, decoded)]
        return [b'"%b","%b"' % each for each in zip(texts[::2], texts[1::2], strict=True)]

    def head(self, video: _Video) -> bytes:
        """Return the cells before the title."""
        snippet = video.snippet
        values = video.id, video.etag, video.kind, snippet.channelId, snippet.channelTitle
        own, etag, kind, channel, title = ["" if value is None else self._text(value) for value in values]
        return f"{own},{etag},{kind},{snippet.publishedAt or ''},{channel},{title}".encode()

    def localized(self, snippet: _Snippet, texts: bytes) -> bytes:
        """Return the cells of the localized title and description, which mostly are the `texts`."""
        title, description = snippet.localized.title, snippet.localized.description
        if title == snippet.title and description == snippet.description:
            return texts
        return self._joined([_text.decode(each) if each != _NOTHING else None for each in (title, description)])

    def _joined(self, values: Iterable[str | None]) -> bytes:
        return ",".join(["" if value is None else self._text(value) for value in values]).encode()

    def _part(self, part: str, raw: bytes) -> bytes:
        """Return the cells of a part of a video. Raises one of UNUSUAL if it has more than its columns hold."""
        if len(raw) > LARGEST_SHARED:
            raise ValueError("too large for the cache")
        (row,) = table_rows(Lines([b'{"id":"","%b":%b}' % (part.encode(), raw)], [_AT]))
        if row[_OTHER] is not None:
            raise ValueError("fields without a column")
        cells = zip(_NAMES, cells_of(row, safe=self._safe), strict=True)
        return ",".join([cell for name, cell in cells if name.startswith(f"{part}_")]).encode()


_CELLS = _Cells(safe=False)
_SAFE_CELLS = _Cells(safe=True)
