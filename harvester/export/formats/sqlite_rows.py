"""Batches of columns as rows of the tables of a SQLite database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from harvester.export.formats.columns import schema


@dataclass(frozen=True, slots=True)
class ListTable:
    """A list of each video as a table of its own, an entry a row."""

    name: str
    entry: str
    column: str


LISTS = (ListTable("tags", "tag", "snippet_tags"), ListTable("topics", "topic", "topicDetails_topicCategories"))


def is_list_of_texts(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) and pa.types.is_string(kind.value_type))


VIDEO_FIELDS: tuple[pa.Field, ...] = tuple(
    field
    for field in schema()
    if (not pa.types.is_nested(field.type) or is_list_of_texts(field.type))
    and field.name not in {each.column for each in LISTS}
)
"""The columns of `videos`: the scalar ones, and lists that have no table of their own, as JSON."""


def sql_type(kind: pa.DataType) -> str:
    """The type of a SQLite column that holds such values."""
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "INTEGER"
    return "REAL" if pa.types.is_floating(kind) else "TEXT"


def video_values(batch: pa.RecordBatch) -> dict[str, list[Any]]:
    """The values of each column of `videos`, without those columns that hold nulls alone."""
    columns = {field.name: batch.column(field.name) for field in VIDEO_FIELDS}
    return {name: _values(array) for name, array in columns.items() if array.null_count < len(array)}


def list_rows(batch: pa.RecordBatch, table: ListTable) -> Iterator[tuple[str, int, str]]:
    """Id, position in the list from 0 on, and entry, in the order of the videos."""
    lists = batch.column(table.column)
    lengths = [length or 0 for length in pc.list_value_length(lists).to_pylist()]
    ids = chain.from_iterable(map(repeat, batch.column("id").to_pylist(), lengths))
    return zip(ids, chain.from_iterable(map(range, lengths)), lists.flatten().to_pylist(), strict=True)


def rows_of(values: dict[str, list[Any]], names: Iterable[str], number: int) -> Iterator[tuple[Any, ...]]:
    """Rows of these columns; what is not among the values is null."""
    nulls: list[Any] = [None] * number
    return zip(*(values.get(name, nulls) for name in names), strict=True)


def _values(array: pa.Array) -> list[Any]:
    # Neither `to_numpy` nor `fill_null`, which import pandas: 48 MB and half a second.
    if pa.types.is_list(array.type):
        return [None if each is None else msgspec.json.encode(each).decode() for each in array.to_pylist()]
    values: list[Any] = (moments_as_text(array) if pa.types.is_timestamp(array.type) else array).to_pylist()
    return values


def moments_as_text(moments: pa.TimestampArray) -> pa.StringArray:
    """As the API writes them, `2010-05-01T12:00:00Z`; with six digits of a second where it is no whole one."""
    try:
        texts = moments.cast(pa.timestamp("s", tz="UTC")).cast(pa.string())
    except pa.ArrowInvalid:
        texts = pc.replace_substring(moments.cast(pa.string()), ".000000Z", "Z")
    return pc.utf8_replace_slice(texts, 10, 11, "T")
