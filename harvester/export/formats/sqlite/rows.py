"""Turn videos into rows of a SQLite database."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec

from harvester.export.formats.columns import is_list
from harvester.export.formats.rows import Lines
from harvester.export.formats.table_rows import TABLE_COLUMNS, Row, table_rows
from harvester.export.formats.video import Count, Flag


@dataclass(frozen=True, slots=True)
class ListTable:
    """A list of videos that is a table of its own, with a row for each entry."""

    name: str
    entry: str
    column: str


LISTS = (ListTable("tags", "tag", "snippet_tags"), ListTable("topics", "topic", "topicDetails_topicCategories"))
_INDEX = {name: index for index, (name, _) in enumerate(TABLE_COLUMNS)}
_LISTS = [(each.name, _INDEX[each.column]) for each in LISTS]
VIDEO_COLUMNS = tuple((name, kind) for name, kind in TABLE_COLUMNS if name not in {each.column for each in LISTS})
"""The columns of `videos`: single values, and lists without a table of their own, as JSON."""
_of_videos = itemgetter(*(_INDEX[name] for name, _ in VIDEO_COLUMNS))
_JSON = [_INDEX[name] for name, kind in VIDEO_COLUMNS if is_list(kind)]


def sql_type(kind: Any) -> str:
    """Return the SQLite type of a column for such values."""
    if kind in (int, Count, bool, Flag):
        return "INTEGER"
    return "REAL" if kind is float else "TEXT"


def database_rows(lines: Lines) -> dict[str, list[Row]]:
    """Return the rows of each table. Of a list: video id, position from 0, and entry, in the order of the videos."""
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
