"""The page of videos that a good answer holds: unpacked within bounds, then checked. Pure."""

from __future__ import annotations

import codecs
import hashlib
import threading
from collections.abc import Collection
from typing import Any

import msgspec
import simdjson

from harvester.body import BodyError, decompress
from harvester.model import BATCH_SIZE, Answer, Body

MAX_RAW_BYTES = 64 * 1024 * 1024
"""Most bytes of a body once decompressed: 75 times the largest batch that real videos make (50 of 17 KB)."""

LIST_KIND = "youtube#videoListResponse"
STATISTICS_KIND = "youtube#batchGetStatsResponse"

_UTF8_STEP_BYTES = 64 * 1024


class _Item(msgspec.Struct):
    id: str


class _Page(msgspec.Struct):
    """The little that is kept of the JSON; the rest is only checked."""

    kind: str = ""
    items: list[_Item] | msgspec.UnsetType = msgspec.UNSET


class _LoosePage(msgspec.Struct):
    kind: msgspec.Raw = msgspec.Raw()
    items: msgspec.Raw = msgspec.Raw()


_page = msgspec.json.Decoder(_Page)
_loose_page = msgspec.json.Decoder(_LoosePage)
_MOST_KEPT_BYTES = 4 * 1024 * 1024
"""simdjson keeps the room that its largest document took: at most five times what 50 videos of 17 KB take."""


class _OfThread(threading.local):
    """simdjson's parser holds one document at a time."""

    def __init__(self) -> None:
        self.parser = simdjson.Parser(max_capacity=_MOST_KEPT_BYTES)


_of_thread = _OfThread()


def read_good(answer: Answer, asked: Collection[str], kind: str = LIST_KIND) -> tuple[Body, frozenset[str]]:
    """The body of a 200 and the ids in it. Raises BodyError unless it is of `kind` and answers for `asked` alone."""
    if is_html(answer):
        raise BodyError("html", "a web page instead of the API's answer")
    encoding = encoding_of(answer)
    raw = decompress(answer.body, encoding, MAX_RAW_BYTES)
    found = _ids(raw, frozenset(asked), kind)
    digest = hashlib.sha256(answer.body).digest()
    return Body(answer.body, encoding, len(raw), digest, len(found)), found


def is_html(answer: Answer) -> bool:
    """Whether the answer calls itself a web page: a front end speaks, not the API."""
    return "html" in answer.headers.get("content-type", "").lower()


def encoding_of(answer: Answer) -> str:
    """`gzip` or `identity`. Raises BodyError for an encoding that was not asked for."""
    named = answer.headers.get("content-encoding", "").strip().lower()
    if named in ("", "identity"):
        return "identity"
    if named in ("gzip", "x-gzip"):
        return "gzip"
    raise BodyError("bad_encoding", "the body is packed in a way that was not asked for")


def _ids(raw: bytes, asked: frozenset[str], kind: str) -> frozenset[str]:
    found = _quick_ids(raw, kind)
    if found is None:
        found = _slow_ids(raw, kind)
    if len(found) > BATCH_SIZE:
        raise BodyError("too_many_items", f"the body has more than {BATCH_SIZE} items")
    ids = frozenset(found)
    if not ids <= asked:
        raise BodyError("stranger", "the body has a video that was not asked for")
    if len(ids) != len(found):
        raise BodyError("id_twice", "the body has a video twice")
    return ids


def _quick_ids(raw: bytes, kind: str) -> list[str] | None:
    """The ids of a page that is plainly in order; None where it has to be looked at more closely.

    simdjson reads and checks all of the JSON and of the UTF-8 in half the time that it takes to look at each alone.
    """
    if not raw.startswith(b"{"):
        return None  # it would let a byte order mark pass
    try:
        page: Any = _of_thread.parser.parse(raw)
        names = list(page)
        if names.count("kind") != 1 or names.count("items") != 1 or page["kind"] != kind:
            return None
        items: list[Any] = list(page["items"]) if isinstance(page["items"], simdjson.Array) else [None]
        # Of a name that comes twice, parsers take either.
        ids: list[Any] = [item["id"] if list(item).count("id") == 1 else None for item in items]
    except (ValueError, TypeError, LookupError, RuntimeError):
        return None
    return ids if all(isinstance(id_, str) for id_ in ids) else None


def _slow_ids(raw: bytes, kind: str) -> list[str]:
    """As `_quick_ids`, but that raises BodyError, and tells why a page is not in order."""
    page = _parse(raw, kind)
    if page.kind != kind:
        raise BodyError("wrong_kind", f"the body is no {kind}")
    if page.items is msgspec.UNSET:
        raise BodyError("no_items", "the body has no items")
    return [item.id for item in page.items]


def _parse(raw: bytes, kind: str) -> _Page:
    if not raw or raw.isspace():
        raise BodyError("empty_body", "the body is empty")
    try:
        page = _page.decode(raw)
        _check_utf8(raw)
    except msgspec.ValidationError:
        raise _wrong_shape(raw, kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _broken_json(raw, error) from None
    return page


def _check_utf8(raw: bytes) -> None:
    """Look at what msgspec passes over. In steps, for one str of it all costs four times as much."""
    if raw.isascii():
        return
    view, start = memoryview(raw), 0
    while start < len(raw):
        stop = start + _UTF8_STEP_BYTES
        start += codecs.utf_8_decode(view[start:stop], "strict", stop >= len(raw))[1]


def _broken_json(raw: bytes, error: Exception) -> BodyError:
    if raw[:64].lstrip().startswith(b"<"):
        return BodyError("html", "a web page instead of the API's answer")
    if "truncated" in str(error):
        return BodyError("cut_body", "the body ends in the middle of its JSON")
    return BodyError("bad_json", "the body is not valid JSON")


def _wrong_shape(raw: bytes, kind: str) -> BodyError:
    """Why a body that is JSON is no page of videos."""
    try:
        page = _loose_page.decode(raw)
    except msgspec.ValidationError:
        return BodyError("wrong_kind", "the body is no JSON object")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Broken after the place that the first parser stopped at.
        return _broken_json(raw, error)
    if bytes(page.kind) != f'"{kind}"'.encode():
        return BodyError("wrong_kind", f"the body is no {kind}")
    if not bytes(page.items).startswith(b"["):
        return BodyError("no_items", "the body's items are no list")
    return BodyError("bad_item", "the body has an item without an id")
