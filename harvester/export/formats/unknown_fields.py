"""Decode videos, and keep unknown fields as the API sent them."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

import msgspec

from harvester.export.formats.video_fields import KnownFields, Video

Leftover: TypeAlias = "dict[str, msgspec.Raw | Leftover]"
Decoded: TypeAlias = tuple[Video, str | None]

# Counts and `caption` are strings in the API: lax decoding converts them to numbers and booleans.
_video = msgspec.json.Decoder(Video, strict=False)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UNFIT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_video(raw: bytes | msgspec.Raw) -> Decoded:
    """Return the video, and as JSON what `Video` does not know or what does not fit its types; None if there is
    nothing.

    A field that does not fit is absent from the video, and kept as it was sent. Raises DecodeError if `raw` is no JSON
    object with an `id`.
    """
    try:
        return _video.decode(raw), None
    except _UNFIT:
        known, rest = _sort(raw, Video)
    return known, msgspec.json.encode(rest).decode() if rest else None


def _sort(raw: bytes | msgspec.Raw, struct: type[KnownFields]) -> tuple[Any, Leftover]:
    """Split an object into the struct and the remaining fields."""
    hints = _fields(struct)
    known: dict[str, Any] = {}
    rest: Leftover = {}
    for name, value in _object.decode(raw).items():
        if name not in hints:
            rest[name] = value
            continue
        fitting, unfit = fit(value, hints[name])
        if fitting is not None:
            known[name] = fitting
        if unfit is not None:
            rest[name] = unfit
    if struct is Video and "id" not in known:
        raise msgspec.ValidationError("a video without an id")
    return struct(**known), rest


def fit(value: msgspec.Raw, hint: Any) -> tuple[Any, msgspec.Raw | Leftover | None]:
    """Split a value into what is of that type and what is not."""
    try:
        return msgspec.json.decode(value, type=hint, strict=False), None
    except _UNFIT:
        pass
    if not bytes(value).startswith(b"{"):
        return None, value
    if isinstance(hint, type) and issubclass(hint, KnownFields):
        known, rest = _sort(value, hint)
        return known, rest or None
    if get_origin(hint) is dict:
        fitted = {name: fit(entry, get_args(hint)[1]) for name, entry in _object.decode(value).items()}
        known = {name: fitting for name, (fitting, _) in fitted.items() if fitting is not None}
        return known, {name: unfit for name, (_, unfit) in fitted.items() if unfit is not None} or None
    return None, value


@cache
def _fields(struct: type[KnownFields]) -> dict[str, Any]:
    return get_type_hints(struct, include_extras=True)
