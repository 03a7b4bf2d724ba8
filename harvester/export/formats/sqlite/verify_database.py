"""Read back a published SQLite database, and compare it with the ledger."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from harvester.export.counters import Counters
from harvester.export.formats.sqlite.write_database import LISTS, VIDEO_COLUMNS, database_rows, temporary_folder
from harvester.export.formats.statistics import NAMES, statistics_rows
from harvester.export.formats.stored_videos import made_of_videos
from harvester.export.formats.table_rows import Row
from harvester.export.json_array_reader import Unreadable
from harvester.ledger.reader import LedgerReader
from harvester.model import EVERYTHING

_COPIED_BYTES = 1 << 20
_TABLES = {"videos": [name for name, _ in VIDEO_COLUMNS]} | {
    each.name: ["video_id", "position", each.entry] for each in LISTS
}


def ids_in_database(file: BinaryIO) -> Iterator[str]:
    """Yield the id of each row of the main table, in their order. Raises Unreadable if SQLite finds damage."""
    with _opened(file) as db:
        lines = [line for (line,) in db.execute("PRAGMA integrity_check(1)")]
        if lines != ["ok"]:
            raise Unreadable(f"SQLite's integrity check says: {lines[0]}")
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
        main = "videos" if "videos" in tables else "statistics"
        yield from (video_id for (video_id,) in db.execute(f"SELECT id FROM {main} ORDER BY rowid"))  # noqa: S608 (ours)


def differences(file: BinaryIO, reader: LedgerReader) -> Iterator[str]:
    """Yield the first difference between a table and the ledger, as a sentence; nothing if there is none."""
    with _opened(file) as db:
        yield from _compared(db, _TABLES, made_of_videos(reader, EVERYTHING, Counters(), database_rows))
    if reader.has_statistics():
        yield from statistics_differences(file, reader)


def statistics_differences(file: BinaryIO, reader: LedgerReader) -> Iterator[str]:
    """The same, of the table of statistics."""
    with _opened(file) as db:
        groups = ({"statistics": rows} for rows in statistics_rows(reader, Counters()))
        yield from _compared(db, {"statistics": NAMES}, groups)


def _compared(
    db: sqlite3.Connection, columns_of: Mapping[str, Sequence[str]], groups: Iterable[Mapping[str, list[Row]]]
) -> Iterator[str]:
    tables = {
        # In the order in which they were written, without sorting.
        name: db.execute(f"SELECT {', '.join(columns)} FROM {name} ORDER BY rowid")  # noqa: S608 (of ours)
        for name, columns in columns_of.items()
    }
    for rows in groups:
        for name, wanted in rows.items():
            pairs = zip_longest(wanted, tables[name].fetchmany(len(wanted)) if wanted else [], fillvalue=())
            if wrong := next((one or other for one, other in pairs if one != other), None):
                yield f"The table {name} is not what the ledger holds: it differs at the video {wrong[0]}."
                return
    for name, found in tables.items():
        if (more := found.fetchone()) is not None:
            yield f"The table {name} holds more than the ledger, from the video {more[0]} on."


@contextmanager
def _opened(file: BinaryIO) -> Iterator[sqlite3.Connection]:
    """Open the database read-only; a remote file is first copied to an unlinked file."""
    named = getattr(file, "name", None)
    if isinstance(named, str):
        opened = _connect(Path(named))
    else:
        with tempfile.NamedTemporaryFile(dir=temporary_folder()) as copy:
            while chunk := file.read(_COPIED_BYTES):
                copy.write(chunk)
            copy.flush()
            opened = _connect(Path(copy.name))
    with closing(opened) as db:
        yield db


def _connect(path: Path) -> sqlite3.Connection:
    # Immutable: without locks and journals, so that the file may be unlinked.
    db = sqlite3.connect(f"file:{quote(os.fspath(path))}?mode=ro&immutable=1", uri=True)
    db.execute("SELECT 1 FROM sqlite_schema").fetchone()
    return db
