"""Videos as rows of the tables of a SQLite database."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec

from harvester.export.formats.rows import Lines
from harvester.export.formats.table_rows import TABLE_COLUMNS, Row, is_list, table_rows
from harvester.export.formats.video import Count, Flag


@dataclass(frozen=True, slots=True)
class ListTable:
    """A list of each video as a table of its own, an entry a row."""

    name: str
    entry: str
    column: str


LISTS = (ListTable("tags", "tag", "snippet_tags"), ListTable("topics", "topic", "topicDetails_topicCategories"))
_INDEX = {name: index for index, (name, _) in enumerate(TABLE_COLUMNS)}
_LISTS = [(each.name, _INDEX[each.column]) for each in LISTS]
VIDEO_COLUMNS = tuple((name, kind) for name, kind in TABLE_COLUMNS if name not in {each.column for each in LISTS})
"""The columns of `videos`: those that hold single values, and lists that have no table of their own, as JSON."""
_of_videos = itemgetter(*(_INDEX[name] for name, _ in VIDEO_COLUMNS))
_JSON = [_INDEX[name] for name, kind in VIDEO_COLUMNS if is_list(kind)]


def sql_type(kind: Any) -> str:
    """The type of a SQLite column that holds such values."""
    if kind in (int, Count, bool, Flag):
        return "INTEGER"
    return "REAL" if kind is float else "TEXT"


def database_rows(lines: Lines) -> dict[str, list[Row]]:
    """The rows of each table. Of a list: id of the video, position from 0 on, and entry, in the order of the videos."""
    rows: dict[str, list[Row]] = {name: [] for name in ("videos", *(each.name for each in LISTS))}
    for row in table_rows(lines):
        for index in _JSON:
            if row[index] is not None:
                row[index] = msgspec.json.encode(row[index]).decode()
        rows["videos"].append(_of_videos(row))
        for name, index in _LISTS:
            if row[index]:
                rows[name] += [(row[0], position, entry) for position, entry in enumerate(row[index])]
    return rows
