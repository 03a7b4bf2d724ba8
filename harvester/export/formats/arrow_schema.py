"""The Arrow types of an export's columns. Which columns there are: `video_columns.py`, made of `video_fields.py`."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

import pyarrow as pa

from harvester.export.formats.video_columns import COLUMNS, fields_of, is_list, is_map, is_struct
from harvester.export.formats.video_fields import Count, Flag, Moment

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


def schema() -> pa.Schema:
    """Return the columns, the same for every export of this version, whatever the crawl asked for."""
    return _SCHEMA


@cache
def arrow_type(kind: Any) -> pa.DataType:
    """Return the type of the column for values of that kind."""
    if kind in _SCALARS:
        return _SCALARS[kind]
    if is_struct(kind):
        return pa.struct([pa.field(name, arrow_type(hint)) for name, hint in fields_of(kind).items()])
    if is_list(kind):
        return pa.list_(arrow_type(get_args(kind)[0]))
    assert is_map(kind), kind
    return pa.map_(pa.string(), arrow_type(get_args(kind)[1]))


@cache
def schema_of(columns: tuple[tuple[str, Any], ...]) -> pa.Schema:
    """Return the schema of columns of these names and kinds."""
    return pa.schema([pa.field(name, arrow_type(kind)) for name, kind in columns])


_SCHEMA = schema_of(COLUMNS)
