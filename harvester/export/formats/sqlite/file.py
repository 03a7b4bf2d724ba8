"""`sqlite`: one database file with the tables `videos`, `tags`, `topics` and `statistics`, and full text search.

The same ledger gives the same bytes, by the same version of SQLite: one transaction, in load order, and no random data.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from harvester.errors import ConfigError, StorageUnavailable
from harvester.export.counters import Counters
from harvester.export.formats.rows import made_of_videos
from harvester.export.formats.sqlite.rows import LISTS, VIDEO_COLUMNS, database_rows, sql_type
from harvester.export.formats.statistics.table import COLUMNS, statistics_rows
from harvester.export.formats.table_rows import Row
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


def _columns(columns: Iterable[tuple[str, Any]], of_id: str) -> str:
    return ",\n  ".join(f"{name} {sql_type(kind)}" + (f" {of_id}" if name == "id" else "") for name, kind in columns)


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
            state="What stood there before is as it was; the ledger was only read.",
            next_step="Make room there, or let SQLITE_TMPDIR name another folder; then export again.",
        ) from error
