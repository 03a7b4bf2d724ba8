"""A backup of a ledger in one SQLite file: one moment's state, verified before it appears in its place.

A SQLite ledger is copied by SQLite's own backup, a PostgreSQL ledger as by `ledger copy`. So nothing else has to be
installed (pg_dump must be as new as the server), and harvester alone can check, open and restore the backup.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from harvester.errors import DestinationRefused, InconsistentLedger
from harvester.ledger import open as ledger_open
from harvester.ledger.copy import copy
from harvester.ledger.sqlite.connection import ledger_errors
from harvester.ledger.sqlite.file_copy import copy_file
from harvester.ledger.sqlite.migrate import APPLICATION_ID
from harvester.model import Progress
from harvester.support.addresses import file_of
from harvester.support.atomic_write import followed, sync_folder
from harvester.support.progress_callback import ProgressCallback, no_progress
from harvester.support.sanitize import shown

MARK = 0x4842414B
"""The user version ("HBAK") of a backup file, until it is opened as a ledger, which switches it to WAL."""
_DRAFT = ".backup-draft"
_HEADER_BYTES = 100


def backup(url: str, target: Path, watch: ProgressCallback = no_progress) -> Progress:
    """Write the current state of the ledger to `target`. Returns its progress. Runs may go on; the ledger is only read.

    Raises DestinationRefused where `target` is something else, InconsistentLedger where the backup is not consistent, a
    ledger's error, or OSError. `target` is then as it was.
    """
    ledger_open.check(url)
    place = followed(target)
    _refuse_others(place)
    with _drafted(place) as draft:
        if (file := file_of(url)) is not None:
            with ledger_errors(draft):
                copy_file(file, draft, watch)
        else:
            copy(url, f"sqlite:///{draft}", watch)
        progress = _verify(draft)
        _finish(draft)
        _refuse_others(place)
        draft.replace(place)
        sync_folder(place.parent)
    return progress


def is_backup(file: Path) -> bool:
    """Whether `file` is as `backup` left it, and was not opened as a ledger since."""
    with file.open("rb") as opened:
        header = opened.read(_HEADER_BYTES)
    versions = int.from_bytes(header[60:64]), int.from_bytes(header[68:72])
    return len(header) == _HEADER_BYTES and header[18:20] == b"\1\1" and versions == (MARK, APPLICATION_ID)


def _refuse_others(place: Path) -> None:
    # SQLite would take such a file for part of any database of that name.
    for left in (place.with_name(place.name + suffix) for suffix in ("-wal", "-journal")):
        if left.exists() and left.stat().st_size:
            raise _refused(place, f"{shown(left.name)} next to it belongs to another database")
    if place.is_dir():
        raise _refused(place, "it is a folder")
    if place.exists() and place.stat().st_size and not is_backup(place):
        raise _refused(place, "it is no backup that harvester ledger backup made, or was used as a ledger since")


def _refused(place: Path, why: str) -> DestinationRefused:
    return DestinationRefused(
        f"Can't write to {shown(str(place))}: {why}.",
        state="Nothing was written.",
        next_step="Name another file, or remove it yourself.",
    )


@contextmanager
def _drafted(place: Path) -> Iterator[Path]:
    """A name in a hidden folder beside `place`, locked while this process lives. Removes what killed processes left."""
    for left in place.parent.glob(f".{glob.escape(place.name)}.*{_DRAFT}"):
        with suppress(OSError), _locked(left):
            shutil.rmtree(left)
    drafts = TemporaryDirectory(_DRAFT, f".{place.name}.", place.parent, ignore_cleanup_errors=True)
    with drafts as folder, _locked(Path(folder)):
        yield Path(folder, place.name)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder. Raises OSError where another process holds it."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def _verify(draft: Path) -> Progress:
    with ledger_open.open_reader(f"sqlite:///{draft}") as reader:
        if findings := reader.findings():
            raise InconsistentLedger.of("The ledger is not consistent, and was not backed up", findings)
        return reader.progress()


def _finish(draft: Path) -> None:
    """Mark the backup, make it one file without a WAL, and sync it to disk."""
    with ledger_errors(draft), closing(sqlite3.connect(draft)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute(f"PRAGMA user_version = {MARK}")
    fd = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
