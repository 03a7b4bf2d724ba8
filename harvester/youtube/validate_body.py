"""Check the body of a good answer: decompressed within limits, then validated. Pure.

An accepted body is stored as it was sent, and read later by many parsers. So it

- is JSON of RFC 8259 in UTF-8 without a byte order mark, of at most MAX_RAW_BYTES;
- nests objects and arrays at most MAX_DEPTH deep, empty ones not counted;
- holds only numbers that fit 64 bits: integers from -2^63 to 2^64 - 1, others within the range of a double;
- is an object of the expected `kind`, with a list `items` of at most 50 objects, each with an `id` that was asked for,
  none twice;
- has no name twice, neither at its top nor among the fields of an item, because parsers differ in which they use;
- may hold lone surrogates (`\\ud83d` without its other half): see `support.gzip_body.without_lone_surrogates`.

simdjson checks all of JSON, UTF-8 and numbers; nothing that it refuses is accepted.
"""

from __future__ import annotations

import codecs
import hashlib
import secrets
import threading
from collections.abc import Collection
from typing import Any

import msgspec
import simdjson

from harvester.model import BATCH_SIZE, Answer, Body
from harvester.support.gzip_body import BodyError, decompress
from harvester.support.json_text import without_lone_surrogates
from harvester.youtube.endpoints import VIDEOS_LIST

MAX_RAW_BYTES = 64 * 1024 * 1024
"""Most bytes of a body once decompressed: 75 times the largest batch that real videos make (50 of 17 KB)."""

MAX_DEPTH = 32
"""Videos have seven levels. The smallest limit of common readers is 64, and an export adds one."""

_UTF8_STEP_BYTES = 64 * 1024


class _Item(msgspec.Struct):
    id: str


class _Page(msgspec.Struct):
    """What is kept of the JSON; the rest is only checked."""

    kind: str = ""
    items: list[_Item] | msgspec.UnsetType = msgspec.UNSET


class _LoosePage(msgspec.Struct):
    kind: msgspec.Raw = msgspec.Raw()
    items: msgspec.Raw = msgspec.Raw()


_page = msgspec.json.Decoder(_Page)
_loose_page = msgspec.json.Decoder(_LoosePage)
_MAX_KEPT_BYTES = 4 * 1024 * 1024
"""simdjson keeps the memory of its largest document: at most five times what 50 videos of 17 KB take."""
# simdjson's limit of 1023 levels can't be set: brackets around the text take up all but MAX_DEPTH of them. A random
# mark behind it shows up if the text closes a bracket and opens another.
_LEVELS_AROUND = 1023 - MAX_DEPTH
_MARK = secrets.token_hex(8)
_BEFORE, _AFTER = b"[" * _LEVELS_AROUND, f',"{_MARK}"{"]" * _LEVELS_AROUND}'.encode()
_INNERMOST = "/0" * (_LEVELS_AROUND - 1)
_MAX_PARSED_BYTES = _MAX_KEPT_BYTES - len(_BEFORE) - len(_AFTER)


class _OfThread(threading.local):
    """simdjson's parser holds one document at a time."""

    def __init__(self) -> None:
        self.parser = simdjson.Parser(max_capacity=_MAX_KEPT_BYTES)


_of_thread = _OfThread()


def read_good(
    answer: Answer, asked: Collection[str], kind: str = VIDEOS_LIST.answer_kind
) -> tuple[Body, frozenset[str]]:
    """Return the body of a 200 and the ids in it. Raises BodyError unless it is of `kind` and holds only ids of
    `asked`."""
    if is_html(answer):
        raise BodyError("html", "a web page instead of the API's answer")
    encoding = encoding_of(answer)
    raw = decompress(answer.body, encoding, MAX_RAW_BYTES)
    found = _ids(raw, frozenset(asked), kind)
    digest = hashlib.sha256(answer.body).digest()
    return Body(answer.body, encoding, len(raw), digest, len(found)), found


def read_text(answer: Answer, kind: str) -> bytes:
    """Return the JSON of a 200 that is an object of `kind`, whatever its items are. Raises BodyError for any other."""
    if is_html(answer):
        raise BodyError("html", "a web page instead of the API's answer")
    raw = decompress(answer.body, encoding_of(answer), MAX_RAW_BYTES)
    if _is_object(raw, kind):
        return raw
    text = without_lone_surrogates(raw)
    if not _is_object(text, kind):
        raise _fault(text, kind)
    return text


def _is_object(text: bytes, kind: str) -> bool:
    """Whether it is an object of `kind` with no name twice, neither at its top nor among the fields of an item."""
    try:
        page = _parsed(text)
        names = list(page)
        items = list(page["items"]) if "items" in names else []
        return page["kind"] == kind and all(len(set(each)) == len(each) for each in (names, *items))
    except (ValueError, TypeError, LookupError, RuntimeError):
        return False


def is_html(answer: Answer) -> bool:
    """Whether the answer is a web page: it comes from a front end, not from the API."""
    return "html" in answer.headers.get("content-type", "").lower()


def encoding_of(answer: Answer) -> str:
    """Return `gzip` or `identity`. Raises BodyError for an encoding that was not asked for."""
    named = answer.headers.get("content-encoding", "").strip().lower()
    if named in ("", "identity"):
        return "identity"
    if named in ("gzip", "x-gzip"):
        return "gzip"
    raise BodyError("bad_encoding", "the body is packed in a way that was not asked for")


def _ids(raw: bytes, asked: frozenset[str], kind: str) -> frozenset[str]:
    found = _quick_ids(raw, kind)
    if found is None:
        text = without_lone_surrogates(raw)
        found = _quick_ids(text, kind)
        if found is None:
            raise _fault(text, kind)
    if len(found) > BATCH_SIZE:
        raise BodyError("too_many_items", f"the body has more than {BATCH_SIZE} items")
    ids = frozenset(found)
    if not ids <= asked:
        raise BodyError("unexpected_id", "the body has a video that was not asked for")
    if len(ids) != len(found):
        raise BodyError("id_twice", "the body has a video twice")
    return ids


def _quick_ids(raw: bytes, kind: str) -> list[str] | None:
    """Return the ids of an acceptable body; None for any other.

    simdjson checks JSON and UTF-8 in one pass, in half the time of two.
    """
    try:
        page = _parsed(raw)
        names = list(page)
        items: list[Any] = list(page["items"]) if isinstance(page["items"], simdjson.Array) else [None]
        if len(set(names)) != len(names) or page["kind"] != kind:
            return None
        ids: list[Any] = [item["id"] if len(set(item)) == len(item) else None for item in items]
    except (ValueError, TypeError, LookupError, RuntimeError):
        return None
    return ids if all(isinstance(video_id, str) for video_id in ids) else None


def _parsed(raw: bytes) -> Any:
    """Parse valid JSON that nests at most MAX_DEPTH deep. Raises ValueError or RuntimeError otherwise."""
    # A larger one is parsed, but its memory is not kept.
    parser = _of_thread.parser if len(raw) <= _MAX_PARSED_BYTES else simdjson.Parser()
    outermost: Any = parser.parse(b"".join((_BEFORE, raw, _AFTER)))
    innermost = outermost.at_pointer(_INNERMOST)
    if len(innermost) != 2 or innermost[1] != _MARK:
        raise ValueError("more than one value, or none")
    return innermost[0]


def _fault(text: bytes, kind: str) -> BodyError:
    """Return why a body is not acceptable."""
    try:
        page = _parse(text, kind)
    except BodyError as fault:
        return fault
    if page.kind != kind:
        return BodyError("wrong_kind", f"the body is no {kind}")
    if page.items is msgspec.UNSET:
        return BodyError("no_items", "the body has no items")
    try:
        _parsed(text)
    except (ValueError, RuntimeError) as error:
        return _refused_by_simdjson(str(error))
    return BodyError("name_twice", "the body has an object with one name twice")


def _refused_by_simdjson(why: str) -> BodyError:
    """The error for a body that is JSON to msgspec."""
    if "DEPTH_ERROR" in why:
        return _too_deep()
    if "NUMBER_ERROR" in why or "BIGINT_ERROR" in why:
        return BodyError("bad_number", "the body has a number that does not fit 64 bits")
    return BodyError("bad_json", "the body is not valid JSON")


def _too_deep() -> BodyError:
    return BodyError("too_deep", f"the body nests deeper than {MAX_DEPTH} levels")


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
    """Check the UTF-8 that msgspec skips. In steps, because decoding all of it at once costs four times as much."""
    if raw.isascii():
        return
    view, start = memoryview(raw), 0
    while start < len(raw):
        stop = start + _UTF8_STEP_BYTES
        start += codecs.utf_8_decode(view[start:stop], "strict", stop >= len(raw))[1]


def _broken_json(raw: bytes, error: Exception) -> BodyError:
    if raw[:64].lstrip().startswith(b"<"):
        return BodyError("html", "a web page instead of the API's answer")
    if isinstance(error, RecursionError):
        return _too_deep()
    if "truncated" in str(error):
        return BodyError("cut_body", "the body ends in the middle of its JSON")
    return BodyError("bad_json", "the body is not valid JSON")


def _wrong_shape(raw: bytes, kind: str) -> BodyError:
    """Return why a body that is JSON is not a page of videos."""
    try:
        page = _loose_page.decode(raw)
    except msgspec.ValidationError:
        return BodyError("wrong_kind", "the body is no JSON object")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Invalid after the place where the first parser stopped.
        return _broken_json(raw, error)
    if bytes(page.kind) != f'"{kind}"'.encode():
        return BodyError("wrong_kind", f"the body is no {kind}")
    if not bytes(page.items).startswith(b"["):
        return BodyError("no_items", "the body's items are no list")
    return BodyError("bad_item", "the body has an item without an id")
