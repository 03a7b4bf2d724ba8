"""What the Parquet columns must hold of a video, said once more and apart from harvester's own code.

Works on the plain JSON, its fractions as Decimal so that no digit is lost. `FIELDS` says which fields have a column and
what it holds; a reader of a type gives the column's value, or raises Unfit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa

Json = dict[str, Any]
NOTHING = object()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_DURATION = re.compile(r"P([0-9]+W)?([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+S)?)?")
_UNITS = {"W": 7 * 86_400, "D": 86_400, "H": 3_600, "M": 60, "S": 1}


class Unfit(Exception):
    """The value is none that the column's type holds."""


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit
    return value


def texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise Unfit
    return [text(entry) for entry in value]


def _decimal(value: Any) -> Decimal:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return Decimal(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    raise Unfit


def count(value: Any) -> int:
    number = _decimal(value)
    if not 0 <= number < 2**63 or number != number.to_integral_value():
        raise Unfit
    return int(number)


def number(value: Any) -> float:
    found = float(_decimal(value))
    if found in (float("inf"), -float("inf")):
        raise Unfit
    return found


def flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = value.lower() if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    if text not in ("true", "false", "1", "0"):
        raise Unfit
    return text in ("true", "1")


def moment(value: Any) -> datetime:
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Unfit
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    micros, zone = int((found[7] or ".0")[1:].ljust(6, "0")), found[8]
    try:
        when = datetime(year, month, day, hour, minute, second, micros, UTC)
        if zone == "Z":
            return when
        hours, minutes = int(zone[1:3]), int(zone[4:])
        if minutes > 59 or when.year in (1, 9999):
            raise Unfit
        shift = timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
        return when.replace(tzinfo=timezone(shift)).astimezone(UTC)
    except ValueError as error:
        raise Unfit from error


def seconds(value: str | None) -> int | None:
    """Of a duration of weeks, days, hours, minutes and seconds."""
    found = _DURATION.fullmatch(value or "")
    if found is None or value in ("P", "PT") or (value or "").endswith("T"):
        return None
    named = [part for place, part in enumerate(found.groups()) if part and place != 2]
    if any(len(part) > 19 for part in named):
        return None
    total = sum(int(part[:-1]) * _UNITS[part[-1]] for part in named)
    return total if total < 2**63 else None


@dataclass(frozen=True)
class MapOf:
    kind: Any


@dataclass(frozen=True)
class Struct:
    """An object that is one column."""

    fields: dict[str, Any]


_SIZES = ("default", "medium", "high", "standard", "maxres", "fhd", "qhd", "uhd", "shortsAspectRatio")
_LOCAL = {"title": text, "description": text}
FIELDS: Json = {
    "id": text,
    "etag": text,
    "kind": text,
    "snippet": {
        "publishedAt": moment,
        "channelId": text,
        "channelTitle": text,
        "title": text,
        "description": text,
        "tags": texts,
        "categoryId": text,
        "liveBroadcastContent": text,
        "defaultLanguage": text,
        "defaultAudioLanguage": text,
        "localized": _LOCAL,
        "thumbnails": Struct(dict.fromkeys(_SIZES, Struct({"url": text, "width": count, "height": count}))),
    },
    "contentDetails": {
        "duration": text,
        "dimension": text,
        "definition": text,
        "caption": flag,
        "licensedContent": flag,
        "projection": text,
        "hasCustomThumbnail": flag,
        "regionRestriction": Struct({"allowed": texts, "blocked": texts}),
        "countryRestriction": Struct({"allowed": flag, "exception": texts}),
        "contentRating": MapOf(text),
    },
    "status": dict.fromkeys(("uploadStatus", "privacyStatus", "license", "failureReason", "rejectionReason"), text)
    | dict.fromkeys(("embeddable", "publicStatsViewable", "madeForKids", "selfDeclaredMadeForKids"), flag)
    | {"containsSyntheticMedia": flag, "publishAt": moment},
    "statistics": dict.fromkeys(("viewCount", "likeCount", "dislikeCount", "favoriteCount", "commentCount"), count),
    "topicDetails": dict.fromkeys(("topicCategories", "topicIds", "relevantTopicIds"), texts),
    "liveStreamingDetails": dict.fromkeys(
        ("scheduledStartTime", "scheduledEndTime", "actualStartTime", "actualEndTime"), moment
    )
    | {"concurrentViewers": count, "activeLiveChatId": text},
    "recordingDetails": {
        "recordingDate": moment,
        "locationDescription": text,
        "location": dict.fromkeys(("latitude", "longitude", "altitude"), number),
    },
    "player": {"embedHtml": text, "embedWidth": count, "embedHeight": count},
    "paidProductPlacementDetails": {"hasPaidProductPlacement": flag},
    "localizations": MapOf(Struct(_LOCAL)),
}
_TYPES: dict[Any, pa.DataType] = {
    text: pa.string(),
    texts: pa.list_(pa.string()),
    count: pa.int64(),
    number: pa.float64(),
    flag: pa.bool_(),
    moment: pa.timestamp("us", tz="UTC"),
}


def parsed(raw: bytes | str) -> Json:
    """Plain JSON, its numbers as they are written."""
    video: Json = json.loads(raw, parse_float=Decimal)
    return video


def expected(raw: bytes) -> tuple[Json, Json]:
    """The columns of the video that are not null, and what must be left over beside them."""
    fit, rest = _split(parsed(raw), FIELDS)
    row = dict(_flattened(fit, FIELDS, ""))
    if "contentDetails_duration" in row:
        row["contentDetails_duration_iso"] = row["contentDetails_duration"]
        row["contentDetails_duration"] = seconds(row["contentDetails_duration_iso"])
    return {name: value for name, value in row.items() if value is not None}, {} if rest is NOTHING else rest


def types() -> dict[str, pa.DataType]:
    """Every column of a video but `contentDetails_duration`, which is made from its text."""

    def typed(kind: Any) -> pa.DataType:
        if isinstance(kind, MapOf):
            return pa.map_(pa.string(), typed(kind.kind))
        if isinstance(kind, Struct):
            return pa.struct([(name, typed(of)) for name, of in kind.fields.items()])
        return _TYPES[kind]

    return {name: typed(kind) for name, kind in _columns(FIELDS, "")}


def moments() -> set[str]:
    """The columns that are timestamps."""
    return {name for name, kind in _columns(FIELDS, "") if kind is moment} | {"fetched_at"}


def _columns(fields: Json, above: str) -> list[tuple[str, Any]]:
    found = []
    for name, kind in fields.items():
        inner = _columns(kind, f"{above}{name}_") if isinstance(kind, dict) else [(above + name, kind)]
        found += inner
    return found


def _split(value: Any, kind: Any) -> tuple[Any, Any]:
    """What fits, as the column holds it, and what is left over; NOTHING where there is none."""
    if isinstance(kind, Struct | MapOf | dict):
        if not isinstance(value, dict):
            return NOTHING, value
        of: Callable[[str], Any] = kind.get if isinstance(kind, dict) else _lookup(kind)
        split = {name: _split(entry, of(name)) if of(name) else (NOTHING, entry) for name, entry in value.items()}
        fit = {name: good for name, (good, _) in split.items() if good is not NOTHING}
        rest = {name: odd for name, (_, odd) in split.items() if odd is not NOTHING}
        return fit, rest or NOTHING
    try:
        return kind(value), NOTHING
    except Unfit:
        return NOTHING, value


def _lookup(kind: Struct | MapOf) -> Callable[[str], Any]:
    return kind.fields.get if isinstance(kind, Struct) else lambda _: kind.kind


def _flattened(fit: Json, fields: Json, above: str) -> list[tuple[str, Any]]:
    found = []
    for name, value in fit.items():
        kind = fields[name]
        inner = _flattened(value, kind, f"{above}{name}_") if isinstance(kind, dict) else [(above + name, value)]
        found += inner
    return found


def micros(value: Any) -> Any:
    """An instant as microseconds since 1970; anything else as it is."""
    return (value - _EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value


def plain_row(row: Json) -> Json:
    """A row as pyarrow gives it: without its nulls, maps as dicts."""
    maps = {name for name, kind in _columns(FIELDS, "") if isinstance(kind, MapOf)}
    return {name: _bare(dict(value) if name in maps else value) for name, value in row.items() if value is not None}


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bare(entry) for name, entry in value.items() if entry is not None}
    return value


def restored(row: Json, rest: Json) -> Json:
    """Columns and leftovers put together again, the columns' values typed."""
    whole: Json = {}
    for name, _ in _columns(FIELDS, ""):
        column = f"{name}_iso" if name == "contentDetails_duration" else name
        if column in row:
            _put(whole, name, row[column], FIELDS)
    return _merged(whole, rest)


def _put(whole: Json, column: str, value: Any, fields: Json) -> None:
    if column in fields:
        whole[column] = value
        return
    above = next(name for name in fields if column.startswith(f"{name}_") and isinstance(fields[name], dict))
    _put(whole.setdefault(above, {}), column.removeprefix(f"{above}_"), value, fields[above])


def _merged(left: Any, right: Any) -> Any:
    if not (isinstance(left, dict) and isinstance(right, dict)):
        return right
    both = {name: _merged(left[name], right[name]) for name in left.keys() & right.keys()}
    return left | right | both


def typed(value: Any, kind: Any = FIELDS) -> Any:
    """The source itself, each value typed where it fits, and without flattened objects that are empty."""
    if isinstance(kind, Struct | MapOf | dict) and isinstance(value, dict):
        of = kind.get if isinstance(kind, dict) else _lookup(kind)
        inner = {name: typed(entry, of(name)) for name, entry in value.items()}
        return {name: entry for name, entry in inner.items() if entry != {} or not isinstance(of(name), dict)}
    if kind is None or isinstance(kind, Struct | MapOf | dict):
        return value
    try:
        return kind(value)
    except Unfit:
        return value
