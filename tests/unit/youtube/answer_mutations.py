"""Answers that are a little wrong: pages of videos, mutated by a seed as trees and as bytes."""

from __future__ import annotations

import json
import random
from typing import Any, TypeAlias

ASKED = ("aaaaaaaaaaA", "bbbbbbbbbbE", "ccccccccccI")

# What stands for a JSON value: text that is written as it is.
Raw = type("Raw", (bytes,), {})
# Objects are lists of pairs, so that a name can come twice.
Tree: TypeAlias = Any


def _nested(rng: random.Random) -> bytes:
    levels = rng.choice((3, 20, 26, 27, 28, 29, 30, 31, 32, 33, 60, 200, 990, 1100))
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[1,{"b":', b"}]")))
    return opening * levels + rng.choice((b"1", b'"x"', b"[]", b"{}")) + closing * levels


def _number(rng: random.Random) -> bytes:
    fixed = b"-0 -0.0 1e400 -1e400 1e-400 1E5 0.1 18446744073709551615 18446744073709551616 9223372036854775808"
    fixed += (
        b" -9223372036854775808 -9223372036854775809 NaN Infinity -Infinity 01 1. .5 +1 1e 0x10 2.2250738585072011e-308"
    )
    if rng.random() < 0.8:
        return rng.choice(fixed.split())
    digits = b"9" * rng.choice((18, 19, 20, 21, 400, 4300, 4301, 5000))
    return digits + rng.choice((b"", b".0", b".5e-%d" % len(digits), b"e-5000", b"e5000"))


def _text(rng: random.Random) -> bytes:
    pieces = rb"\ud83d \udc00 \ude00 \ud83d\ude00 \uD83D\uDE00 \u0000 \\ \\ud83d \" \/ \b \u00e9 \u2028 \ufffd \ufeff x"
    odd = [b"\xc3\xa9", "😀".encode(), b"\xff", b"\xed\xa0\x80", b"\x01", b"\n", b"\\x", b"\\u12", b"\xf4\x90\x80\x80"]
    chosen = [rng.choice(odd) if rng.random() < 0.05 else rng.choice(pieces.split()) for _ in range(rng.randrange(6))]
    return b'"' + b"".join(chosen) + b'"'


def _value(rng: random.Random) -> Tree:
    kind = rng.randrange(7)
    if kind == 0:
        return Raw(_nested(rng))
    if kind == 1:
        return Raw(_number(rng))
    if kind in (2, 3):
        return Raw(_text(rng))
    return Raw(rng.choice((b"null", b"true", b"{}", b"[]", b'""', b'{"id":"aaaaaaaaaaA"}', b'[1,"a",null]', b"nul")))


def _page(rng: random.Random) -> Tree:
    items = [
        [
            ("kind", "youtube#video"),
            ("etag", "x"),
            ("id", video_id),
            ("snippet", [("title", "Ünï"), ("tags", ["a", "b"]), ("thumbnails", [("default", [("width", 120)])])]),
            ("contentDetails", [("duration", "PT4M"), ("caption", "true"), ("contentRating", [])]),
            ("statistics", [("viewCount", "12"), ("likeCount", "3")]),
        ]
        for video_id in rng.sample(ASKED, rng.randrange(4))
    ]
    return [("kind", "youtube#videoListResponse"), ("etag", "e"), ("items", items), ("pageInfo", [("totalResults", 1)])]


def _is_object(tree: Tree) -> bool:
    return isinstance(tree, list) and all(isinstance(entry, tuple) for entry in tree)


def _written(tree: Tree, rng: random.Random, space: bytes) -> bytes:
    def gap() -> bytes:
        return space if rng.random() < 0.3 else b""

    if isinstance(tree, Raw):
        return bytes(tree)
    if not isinstance(tree, list):
        return json.dumps(tree, ensure_ascii=rng.random() < 0.5).encode()
    if _is_object(tree) and (tree or rng.random() < 0.5):
        fields = [
            _written(name, rng, space) + gap() + b":" + gap() + _written(inner, rng, space) for name, inner in tree
        ]
        return b"{" + gap() + (gap() + b"," + gap()).join(fields) + gap() + b"}"
    return b"[" + gap() + (gap() + b"," + gap()).join(_written(entry, rng, space) for entry in tree) + gap() + b"]"


def _lists_in(tree: Tree) -> list[list[Any]]:
    if not isinstance(tree, list):
        return []
    inner = [entry[1] if isinstance(entry, tuple) else entry for entry in tree]
    return [tree, *(found for entry in inner for found in _lists_in(entry))]


def _change_tree(tree: Tree, rng: random.Random) -> None:
    place = rng.choice(_lists_in(tree))
    at = rng.randrange(len(place) + 1)
    if not _is_object(place) or not place:
        place.insert(at, _value(rng))
        return
    name, inner = place[at % len(place)]
    match rng.randrange(5):
        case 0:
            place[at % len(place)] = (name, _value(rng))
        case 1:
            place.insert(at, (name, rng.choice((inner, _value(rng)))))
        case 2:
            place.insert(at, (rng.choice(("new", "id", "items", "kind", Raw(_text(rng)))), _value(rng)))
        case 3:
            del place[at % len(place)]
        case 4:
            rng.shuffle(place)


_TOKENS = rb'{ } [ ] , : " \ null 1e400 "items":[] "id":"aaaaaaaaaaA", ],[ \ud800 \u0000 -'.split()


def _change_bytes(body: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(body) + 1)
    match rng.randrange(6):
        case 0:
            return body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :]
        case 1:
            return body[:at] + body[at + rng.randrange(1, 6) :]
        case 2:
            return body[:at] + rng.choice(_TOKENS) + body[at:]
        case 3:
            return body[:at]
        case 4:
            return rng.choice((b"\xef\xbb\xbf", b" ", b"\n", b"\x00", b"[")) + body
        case _:
            return body + rng.choice((b"\n", b" \r\n", b"}", b",", b"\x00", body, b"],[" + body))


def mutated_answer(seed: int) -> bytes:
    """The body of an answer to ASKED, of that seed: in order, or wrong in up to three places."""
    rng = random.Random(seed)
    tree = _page(rng)
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        _change_tree(tree, rng)
    body = _written(tree, rng, rng.choice((b" ", b"\n", b"\r\n\t", b"")))
    return _change_bytes(body, rng) if rng.random() < 0.25 else body
