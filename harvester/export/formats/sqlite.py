"""`sqlite`: one database file with the tables `videos`, `tags` and `topics`, indexed, with full text search.

The same ledger gives the same bytes, by the same version of SQLite: one transaction, in load order, and no random data.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from harvester.errors import ConfigError, StorageUnavailable
from harvester.export.counters import Counters
from harvester.export.formats.batches import batches
from harvester.export.formats.sqlite_rows import LISTS, VIDEO_FIELDS, list_rows, rows_of, sql_type, video_values
from harvester.export.storage.ownership import SQLITE_EXPORT_ID
from harvester.ledger.reader import LedgerReader
from harvester.model import Span
from harvester.support.sanitize import shown

SCHEMA_VERSION = 1
PAGE_BYTES = 4096
CACHE_KIB = 4 << 10
"""What a sorted index may take in memory too."""
BATCH_ROWS = 250
_READ_BYTES = 1 << 20

_PRAGMAS = f"""
PRAGMA page_size = {PAGE_BYTES};
PRAGMA cache_size = -{CACHE_KIB};
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA application_id = {SQLITE_EXPORT_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""
_COLUMNS = ",\n  ".join(
    f"{field.name} {sql_type(field.type)}" + (" NOT NULL PRIMARY KEY" if field.name == "id" else "")
    for field in VIDEO_FIELDS
)
_TABLES = (
    f"CREATE TABLE videos (\n  {_COLUMNS}\n)",
    *(
        f"CREATE TABLE {each.name} (\n  video_id TEXT NOT NULL REFERENCES videos (id),\n"
        f"  position INTEGER NOT NULL,\n  {each.entry} TEXT NOT NULL\n)"
        for each in LISTS
    ),
    # Readers such as Datasette know by `content="videos"` which table it searches.
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
    """The fetched videos of the span in load order, as one SQLite database. Empty pieces come while it is made.

    It is made as a file without a name, in the folder of SQLite's own temporary files, so that nothing is left of it
    whatever ends the export. Raises StorageUnavailable where that folder is full.
    """
    # Arrow's own allocator keeps 30 MB more of what was freed.
    pa.set_memory_pool(pa.system_memory_pool())
    folder = temporary_folder()
    with _explained(folder), tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        with closing(_begun(Path(file.name))) as db:
            yield from _fill(db, reader, span, counters)
        while chunk := file.read(_READ_BYTES):
            yield chunk


def made_with() -> str:
    """What the bytes depend on beside the ledger."""
    return f"SQLite {sqlite3.sqlite_version}"


def temporary_folder() -> Path:
    """Where SQLite puts its own temporary files: in memory, as /tmp is on many machines, there may be no room."""
    for named in (os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp"):  # noqa: S108 (as SQLite does)
        if named and os.access(named, os.W_OK | os.X_OK):
            return Path(named)
    return Path(tempfile.gettempdir())


def _begun(path: Path) -> sqlite3.Connection:
    """The database in a file that loses its name once it holds its header: a kill leaves nothing behind."""
    # Who reads the bytes may be another thread than the one that began.
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.executescript(_PRAGMAS)
    finally:
        path.unlink()
    return db


def _fill(db: sqlite3.Connection, reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    db.execute("BEGIN")
    for statement in _TABLES:
        db.execute(statement)
    for batch in batches(reader, span, counters, BATCH_ROWS, under_way=1):
        values = video_values(batch)
        before = db.execute("SELECT coalesce(max(rowid), 0) FROM videos").fetchone()
        _insert(db, f"videos ({', '.join(values)})", len(values), rows_of(values, values, batch.num_rows))
        db.execute(_SEARCHABLE, before)
        for table in LISTS:
            _insert(db, table.name, 3, list_rows(batch, table))
        yield b""
    for statement in _INDEXES:
        db.execute(statement)
        yield b""
    db.execute("COMMIT")


def _insert(db: sqlite3.Connection, into: str, columns: int, rows: Iterable[tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * columns)
    db.executemany(f"INSERT INTO {into} VALUES ({marks})", rows)  # noqa: S608 (the names are those of the schema)


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
