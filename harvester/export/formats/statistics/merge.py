"""Merge newer statistics into a response."""

from __future__ import annotations

import msgspec

_Fields = dict[str, msgspec.Raw]


class _Renewed(msgspec.Struct):
    id: str
    statistics: msgspec.Raw = msgspec.Raw(b"{}")


class _Statistics(msgspec.Struct):
    items: list[_Renewed]


class _Videos(msgspec.Struct):
    items: list[_Fields]


_statistics = msgspec.json.Decoder(_Statistics)
_videos = msgspec.json.Decoder(_Videos)
_fields = msgspec.json.Decoder(_Fields)
_id = msgspec.json.Decoder(str)


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
