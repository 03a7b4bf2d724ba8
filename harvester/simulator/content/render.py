"""Render the bodies of `videos.list`, fast enough for benchmarks, and of the other methods."""

import json
from collections.abc import Sequence
from typing import Any

from .style import PRETTY, Style
from .templates import PARTS
from .videos import Content

_KIND = ("kind", b'"youtube#videoListResponse"')
_COUNTS = ("viewCount", "likeCount", "commentCount")


def render_list(content: Content, ids: Sequence[str], parts: Sequence[str] = PARTS, *, pretty: bool = False) -> bytes:
    """Return the body of the answer to `ids`, in an order of its own."""
    items = list(content.items(answer_order(ids), parts))
    opening, closing = _around(content.style)
    etag, found = content.etag(ids, parts), len(items)
    body = opening % etag + content.style.comma.join(items) + closing % (found, found)
    return PRETTY.document(json.loads(body)) if pretty else body


def render_statistics(content: Content, ids: Sequence[str], parts: Sequence[str], *, pretty: bool = False) -> bytes:
    """Return the body of `videos.batchGetStats`: each count is one more than in `videos.list`."""
    items = []
    for video_id in answer_order(ids):
        if (resource := content.resource(video_id, ["statistics"])) is not None:
            counts = {name: str(int(number) + 1) for name, number in resource["statistics"].items() if name in _COUNTS}
            items.append({"kind": "youtube#videoStats", "etag": resource["etag"], "id": video_id, "statistics": counts})
    etag = content.etag(ids, [*parts, "batchGetStats"]).decode()
    answer = {"kind": "youtube#batchGetStatsResponse", "etag": etag, "items": items}
    return (PRETTY if pretty else content.style).document(answer)


def render_answer(style: Style, answer: dict[str, Any], *, pretty: bool = False) -> bytes:
    """Return the body of an answer of `channels.list` or `playlistItems.list`, its keys in the style's order."""
    if style.kind_last:
        answer = {name: value for name, value in answer.items() if name != "kind"} | {"kind": answer["kind"]}
    if style.reverse and "items" in answer:
        answer = answer | {"items": [dict(reversed(item.items())) for item in answer["items"]]}
    return (PRETTY if pretty else style).document(answer)


def answer_order(ids: Sequence[str]) -> list[str]:
    """Return each id once, in another order than requested, always the same."""
    once = list(dict.fromkeys(ids))
    third = len(once) // 3
    return (once[third:] + once[:third])[::-1]


def _around(style: Style) -> tuple[bytes, bytes]:
    """Return what is before the first item and after the last, with room for the etag and two numbers."""
    first = [] if style.kind_last else [_KIND]
    opening = b"{" + style.fields(*first, ("etag", b'"%b"'), ("items", b"["))
    page_info = b"{" + style.fields(("totalResults", b"%d"), ("resultsPerPage", b"%d")) + b"}"
    last = [_KIND] if style.kind_last else []
    closing = b"]" + style.comma + style.fields(("pageInfo", page_info), *last) + b"}"
    return style.before.encode() + opening, closing + style.after.encode()
