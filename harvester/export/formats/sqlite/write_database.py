"""`sqlite`: one database file with the tables `videos`, `tags`, `topics` and `statistics`, and full text search.

The same ledger gives the same bytes, by the same version of SQLite: one transaction, in load order, and no random data.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from harvester.errors import ConfigError, StorageUnavailable
from harvester.export.counters import Counters
from harvester.export.formats.statistics import COLUMNS, statistics_rows
from harvester.export.formats.stored_videos import Lines, made_of_videos
from harvester.export.formats.table_rows import TABLE_COLUMNS, Row, table_rows
from harvester.export.formats.video_columns import is_list
from harvester.export.formats.video_fields import Count, Flag
from harvester.export.storage.destination import KEPT
from harvester.export.storage.ownership import SQLITE_EXPORT_ID
from harvester.ledger.reader import LedgerReader
from harvester.model import Span
from harvester.support.sanitize import shown

SCHEMA_VERSION = 1
PAGE_BYTES = 4096
CACHE_KIB = 4 << 10
"""The cache in KiB, which also limits the memory of sorting an index."""
SEARCHABLE_ROWS = 2_500
"""Videos whose words are added to the search index at once. With 250 it takes 40% more time."""
_READ_BYTES = 1 << 20

_PRAGMAS = f"""
PRAGMA page_size = {PAGE_BYTES};
PRAGMA cache_size = -{CACHE_KIB};
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA application_id = {SQLITE_EXPORT_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""


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


def _sql_type(kind: Any) -> str:
    """Return the SQLite type of a column for such values."""
    if kind in (int, Count, bool, Flag):
        return "INTEGER"
    return "REAL" if kind is float else "TEXT"


def _columns(columns: Iterable[tuple[str, Any]], of_id: str) -> str:
    return ",\n  ".join(f"{name} {_sql_type(kind)}" + (f" {of_id}" if name == "id" else "") for name, kind in columns)


_TABLES = (
    f"CREATE TABLE videos (\n  {_columns(VIDEO_COLUMNS, 'NOT NULL PRIMARY KEY')}\n)",
    *(
        f"CREATE TABLE {each.name} (\n  video_id TEXT NOT NULL REFERENCES videos (id),\n"
        f"  position INTEGER NOT NULL,\n  {each.entry} TEXT NOT NULL\n)"
        for each in LISTS
    ),
    # Readers such as Datasette learn from `content="videos"` which table it searches.
    'CREATE VIRTUAL TABLE videos_fts USING fts5 (snippet_title, snippet_description, content="videos", '
    'tokenize="unicode61 remove_diacritics 2")',
)
_INDEXES = (
    *(
        f"CREATE INDEX videos_by_{name} ON videos ({name})"
        for name in ("snippet_channelId", "snippet_channelTitle", "snippet_publishedAt", "statistics_viewCount")
    ),
    *(f"CREATE UNIQUE INDEX {each.name}_by_video ON {each.name} (video_id, position)" for each in LISTS),
    *(f"CREATE INDEX {each.name}_by_{each.entry} ON {each.name} ({each.entry})" for each in LISTS),
)


def sqlite_file(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    """Yield the fetched videos of the span in load order, as one SQLite database. Yields empty pieces while it is made.

    It is made in an unlinked file in SQLite's temporary folder, so that nothing is left of it. Raises
    StorageUnavailable if that folder is full.
    """
    return _file(lambda db: _fill(db, reader, span, counters))


def statistics_file(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    """Yield the table of statistics as one SQLite database, in the same way."""
    return _file(lambda db: _fill_statistics(db, reader, counters))


def _file(fill: Callable[[sqlite3.Connection], Iterator[bytes]]) -> Iterator[bytes]:
    folder = temporary_folder()
    with _explained(folder), tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        with closing(_begun(Path(file.name))) as db:
            db.execute("BEGIN")
            yield from fill(db)
            db.execute("COMMIT")
        while chunk := file.read(_READ_BYTES):
            yield chunk


def made_with() -> str:
    """Return the library that decides the bytes, besides the ledger."""
    return f"SQLite {sqlite3.sqlite_version}"


def temporary_folder() -> Path:
    """Return SQLite's folder for temporary files. /tmp may be in memory, and too small."""
    for named in (os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp"):  # noqa: S108 (as SQLite does)
        if named and os.access(named, os.W_OK | os.X_OK):
            return Path(named)
    return Path(tempfile.gettempdir())


def _begun(path: Path) -> sqlite3.Connection:
    """Open a database in a file that is unlinked once it has its header, so that a kill leaves nothing."""
    # Another thread may read the bytes than the one that began.
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.executescript(_PRAGMAS)
    finally:
        path.unlink()
    return db


def _fill(db: sqlite3.Connection, reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    for statement in _TABLES:
        db.execute(statement)
    searchable = 0
    for rows in made_of_videos(reader, span, counters, database_rows):
        for table, some in rows.items():
            _insert(db, table, some)
        if counters.videos - searchable >= SEARCHABLE_ROWS:
            db.execute(_SEARCHABLE, (searchable,))
            searchable = counters.videos
        yield b""
    db.execute(_SEARCHABLE, (searchable,))
    for statement in _INDEXES:
        db.execute(statement)
        yield b""
    if reader.has_statistics():
        yield from _fill_statistics(db, reader, Counters())


def _fill_statistics(db: sqlite3.Connection, reader: LedgerReader, counters: Counters) -> Iterator[bytes]:
    db.execute(f"CREATE TABLE statistics (\n  {_columns(COLUMNS, 'NOT NULL')}\n)")
    for rows in statistics_rows(reader, counters):
        _insert(db, "statistics", rows)
        yield b""
    db.execute("CREATE INDEX statistics_by_video ON statistics (id, fetched_at)")
    yield b""


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


def _insert(db: sqlite3.Connection, table: str, rows: list[Row]) -> None:
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 (the names are those of the schema)


_SEARCHABLE = """
INSERT INTO videos_fts (rowid, snippet_title, snippet_description)
SELECT rowid, snippet_title, snippet_description FROM videos WHERE rowid > ?
"""


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if "no such module: fts5" in str(error):
            raise ConfigError(
                "The SQLite of this Python has no full text search (FTS5).",
                state="Nothing was written.",
                next_step="Use a Python whose SQLite has it, or export Parquet.",
            ) from error
        raise StorageUnavailable(
            f"The database can't be made in {shown(str(folder))}: {error}.",
            state=KEPT,
            next_step="Make room there, or let SQLITE_TMPDIR name another folder; then export again.",
        ) from error
