"""Videos as the columns of a table: flattened with `_` and typed, by the types that `Video` declares."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pyarrow as pa

from harvester.export.formats.video import CountryRestriction, Known, Moment, RegionRestriction, Thumbnails, Video

NESTED = (Thumbnails, RegionRestriction, CountryRestriction)
"""Objects that stay one column each, as structs: their fields mean something together only."""

DURATION = "contentDetails_duration"
_TIMESTAMP = pa.timestamp("us", tz="UTC")
_SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    bool: pa.bool_(),
    float: pa.float64(),
    Moment: _TIMESTAMP,
}
# RFC 3339, appendix A, without years and months, whose length in seconds is not known.
_NUMBER = r"([0-9]{1,18})"
_DURATION = re.compile(rf"P(?=.)(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?=.)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?")
_SECONDS = (604_800, 86_400, 3_600, 60, 1)


@dataclass(frozen=True, slots=True)
class Row:
    """A video with what is known of it beyond the resource."""

    video: Video
    other_json: str | None
    """What of the resource has no column, as JSON."""
    fetched_at: datetime


def schema() -> pa.Schema:
    """The table's columns. The same for every export of this version, whatever the crawl asked for."""
    return _SCHEMA


def batch(rows: Sequence[Row]) -> pa.RecordBatch:
    """The rows as one batch of `schema()`."""
    videos = [row.video for row in rows]
    parents = {path: list(map(attrgetter(".".join(path)), videos)) for path in _PARENTS if path}
    parents[()] = videos
    arrays = []
    for name, path, kind in _COLUMNS:
        values = list(map(attrgetter(path[-1]), parents[path[:-1]]))
        if name == DURATION:
            arrays.append(pa.array(list(map(seconds, values)), pa.int64()))
        arrays.append(_array(values, kind))
    arrays.append(pa.array([row.other_json for row in rows], pa.string()))
    arrays.append(pa.array([row.fetched_at for row in rows], _TIMESTAMP))
    return pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)


@cache
def seconds(duration: str | None) -> int | None:
    """An ISO 8601 duration such as `PT4M13S` or `P0D` in seconds; None where it is none."""
    if duration is None or (match := _DURATION.fullmatch(duration)) is None:
        return None
    total = sum(int(number) * unit for number, unit in zip(match.groups("0"), _SECONDS, strict=True))
    return total if total < 2**63 else None


def _flattened(struct: type[Known], above: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Name, path and type of each column."""
    for name, hint in _fields(struct).items():
        path = (*above, name)
        if _is_struct(hint) and hint not in NESTED:
            yield from _flattened(hint, path)
        else:
            yield "_".join(path), path, hint


def _fields(struct: type[Known]) -> dict[str, Any]:
    hints = get_type_hints(struct)
    return {field.name: hints[field.name] for field in msgspec.structs.fields(struct)}


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Known)


def _arrow(kind: Any) -> pa.DataType:
    if kind in _SCALARS:
        return _SCALARS[kind]
    if _is_struct(kind):
        return pa.struct([pa.field(name, _arrow(hint)) for name, hint in _fields(kind).items()])
    if get_origin(kind) is list:
        return pa.list_(_arrow(get_args(kind)[0]))
    assert get_origin(kind) is dict, kind
    return pa.map_(pa.string(), _arrow(get_args(kind)[1]))


def _array(values: list[Any], kind: Any) -> pa.Array:
    """The values, some of them None, as an array."""
    if not any(value is not None for value in values):
        return pa.nulls(len(values), _arrow_of(kind))
    if _is_struct(kind):
        return _struct_array(values, kind)
    if kind is Moment:
        return pa.array(values, pa.string()).cast(_TIMESTAMP)
    if get_origin(kind) is dict:
        values = [None if value is None else [(k, _plain(v)) for k, v in value.items()] for value in values]
    return pa.array(values, _arrow_of(kind))


def _struct_array(values: list[Any], kind: type[Known]) -> pa.Array:
    """Field by field: as dicts of Python objects it would take four times as long."""
    children = [
        _array([None if value is None else getattr(value, name) for value in values], hint)
        for name, hint in _fields(kind).items()
    ]
    absent = pa.array([value is None for value in values], pa.bool_())
    return pa.StructArray.from_arrays(children, fields=list(_arrow_of(kind)), mask=absent)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value) if isinstance(value, Known) else value


_arrow_of = cache(_arrow)
_COLUMNS = tuple(_flattened(Video))
_PARENTS = tuple(dict.fromkeys(path[:-1] for _, path, _ in _COLUMNS))
_SCHEMA = pa.schema(
    [
        field
        for name, _, kind in _COLUMNS
        for field in (
            (pa.field(DURATION, pa.int64()), pa.field(f"{DURATION}_iso", pa.string()))
            if name == DURATION
            else (pa.field(name, _arrow(kind)),)
        )
    ]
    + [pa.field("other_json", pa.string()), pa.field("fetched_at", _TIMESTAMP)]
)
