"""Whole bodies of `videos.list`, stitched fast enough never to slow a client down, and of `videos.batchGetStats`."""

import gzip
import json
from collections.abc import Sequence

from .content import Content
from .deflate import stitch
from .errors import to_json
from .templates import PARTS

_Piece = tuple[bytes, bytes, bytes]

_OPEN = b'{"kind":"youtube#videoListResponse","etag":"%b","items":['
_CLOSE = b'],"pageInfo":{"totalResults":%d,"resultsPerPage":%d}}'
_COUNTS = ("viewCount", "likeCount", "commentCount")


def render_list(
    content: Content,
    ids: Sequence[str],
    parts: Sequence[str] = PARTS,
    *,
    gzipped: bool = False,
    pretty: bool = False,
) -> bytes:
    """The body of the answer to `ids`, in an order of its own; the gzipped one holds the same bytes."""
    pieces, end = _pieces(content, ids, parts)
    if pretty:
        body = to_json(json.loads(_join(pieces, end)), pretty=True)
        return gzip.compress(body, 6, mtime=0) if gzipped else body
    return stitch(pieces, end) if gzipped else _join(pieces, end)


def render_statistics(
    content: Content, ids: Sequence[str], parts: Sequence[str], *, gzipped: bool = False, pretty: bool = False
) -> bytes:
    """The body of the answer of `videos.batchGetStats`: each count is one more than `videos.list` says."""
    items = []
    for video_id in answer_order(ids):
        if (resource := content.resource(video_id, ["statistics"])) is not None:
            counts = {name: str(int(number) + 1) for name, number in resource["statistics"].items() if name in _COUNTS}
            items.append({"kind": "youtube#videoStats", "etag": resource["etag"], "id": video_id, "statistics": counts})
    etag = content.etag(ids, [*parts, "batchGetStats"]).decode()
    body = to_json({"kind": "youtube#batchGetStatsResponse", "etag": etag, "items": items}, pretty=pretty)
    return gzip.compress(body, 6, mtime=0) if gzipped else body


def answer_order(ids: Sequence[str]) -> list[str]:
    """Each id once, in an order that is not the one asked for, and always the same."""
    once = list(dict.fromkeys(ids))
    third = len(once) // 3
    return (once[third:] + once[:third])[::-1]


def _pieces(content: Content, ids: Sequence[str], parts: Sequence[str]) -> tuple[list[_Piece], bytes]:
    before = _OPEN % content.etag(ids, parts)
    pieces: list[_Piece] = []
    for head, tail, deflated, ending in content.items(answer_order(ids), parts):
        # what is stored afresh after one item and before the next makes one block
        pieces.append((before + head, tail, deflated))
        before = ending + b","
    found = len(pieces)
    return pieces, before[: -1 if found else None] + _CLOSE % (found, found)


def _join(pieces: list[_Piece], end: bytes) -> bytes:
    return b"".join([part for plain, tail, _ in pieces for part in (plain, tail)]) + end
