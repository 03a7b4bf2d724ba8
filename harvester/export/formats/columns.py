"""Videos as the columns of a table: flattened with `_` and typed, by the types that `Video` declares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pyarrow as pa

from harvester.export.formats.video import (
    Count,
    CountryRestriction,
    Flag,
    KnownFields,
    Moment,
    RegionRestriction,
    Thumbnails,
    Video,
)

NESTED = (Thumbnails, RegionRestriction, CountryRestriction)
"""Objects that stay one column each, as structs: their fields mean something together only."""

DURATION = "contentDetails_duration"
TIMESTAMP = pa.timestamp("us", tz="UTC")
_SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    Count: pa.int64(),
    bool: pa.bool_(),
    Flag: pa.bool_(),
    float: pa.float64(),
    Moment: TIMESTAMP,
}
# RFC 3339, appendix A, without years and months, whose length in seconds is not known.
_NUMBER = r"([0-9]{1,18})"
_DURATION = re.compile(rf"P(?=.)(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?=.)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?")
_SECONDS = (604_800, 86_400, 3_600, 60, 1)


def schema() -> pa.Schema:
    """The table's columns. The same for every export of this version, whatever the crawl asked for."""
    return _SCHEMA


@lru_cache(maxsize=100_000)
def seconds(duration: str | None) -> int | None:
    """An ISO 8601 duration such as `PT4M13S` or `P0D` in seconds; None where it is none."""
    if duration is None or (match := _DURATION.fullmatch(duration)) is None:
        return None
    total = sum(int(number) * unit for number, unit in zip(match.groups("0"), _SECONDS, strict=True))
    return total if total < 2**63 else None


@cache
def fields_of(struct: type[KnownFields]) -> dict[str, Any]:
    """The fields of a struct and their types."""
    hints = get_type_hints(struct)
    return {field.name: hints[field.name] for field in msgspec.structs.fields(struct)}


@cache
def is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, KnownFields)


@cache
def is_map(kind: Any) -> bool:
    return get_origin(kind) is dict


def _flattened(struct: type[KnownFields], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and type of each column."""
    for name, hint in fields_of(struct).items():
        path = (*above, name)
        if is_struct(hint) and hint not in NESTED:
            yield from _flattened(hint, path)
        else:
            yield path, hint


@cache
def arrow_type(kind: Any) -> pa.DataType:
    """The type of the column that holds values of that kind."""
    if kind in _SCALARS:
        return _SCALARS[kind]
    if is_struct(kind):
        return pa.struct([pa.field(name, arrow_type(hint)) for name, hint in fields_of(kind).items()])
    if get_origin(kind) is list:
        return pa.list_(arrow_type(get_args(kind)[0]))
    assert is_map(kind), kind
    return pa.map_(pa.string(), arrow_type(get_args(kind)[1]))


COLUMNS = tuple(_flattened(Video))
"""Path and kind of each column of a video; what has a duration has one more for its seconds."""
_SCHEMA = pa.schema(
    [
        field
        for path, kind in COLUMNS
        for name in ("_".join(path),)
        for field in (
            (pa.field(DURATION, pa.int64()), pa.field(f"{DURATION}_iso", pa.string()))
            if name == DURATION
            else (pa.field(name, arrow_type(kind)),)
        )
    ]
    + [pa.field("other_json", pa.string()), pa.field("fetched_at", TIMESTAMP)]
)
