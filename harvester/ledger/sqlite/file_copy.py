"""Copy a ledger file while other processes write to it."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from harvester.ledger.sqlite.connection import damaged_error, reading_connection
from harvester.support.progress_callback import Advance, ProgressCallback, no_progress

_PAGES = 4096
"""Pages between two reports of progress: 32 MiB."""


def copy_file(path: Path, target: Path, watch: ProgressCallback = no_progress) -> None:
    """Copy the ledger as it is at one moment, with what is in its WAL, to a new file for its owner alone, on disk.

    Raises LedgerDamaged, OSError where there is no room, or SQLite's errors; half a copy may be left then.
    """
    with reading_connection(path) as source:
        _copy(source, path, target, watch)


def _copy(source: sqlite3.Connection, path: Path, target: Path, watch: ProgressCallback) -> None:
    # The first read takes the snapshot of the whole copy: commits of others do not restart it.
    pages, page_bytes = (source.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "page_size"))
    needed, free = pages * page_bytes, shutil.disk_usage(target.parent).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"the copy takes {needed / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free")
    if (line := source.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise damaged_error(path, line)
    fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with closing(sqlite3.connect(target)) as copy:
            # A copy that is cut off is thrown away, so it needs no journal.
            copy.execute("PRAGMA journal_mode = OFF")
            source.backup(copy, pages=_PAGES, progress=lambda _, left, total: watch(Advance(total - left, total)))
        os.fsync(fd)
    finally:
        os.close(fd)
