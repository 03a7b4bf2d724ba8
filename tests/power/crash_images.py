"""What a power cut would leave: the database and its WAL, copied byte for byte while the crawl stands still.

The `-shm` is not copied: after a boot there is none. It tells how far the WAL was being taken into the file.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harvester.ledger.ledger import Ledger
from harvester.ledger.process_identity import ProcessIdentity, this_process
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.model import VideoState

PAGE_BYTES = 8192
SECTOR_BYTES = 512
WAL_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES
CHECKPOINT_FRAMES = 8000
"""A WAL with fewer frames was not copied into the database by a commit."""
SALTS_IN_INDEX, ATTEMPTED_IN_INDEX = slice(32, 40), slice(128, 132)
"""Where the `-shm` has the salts of its WAL, and how many frames a checkpoint has begun to copy (walformat.html, 2)."""


@dataclass(frozen=True)
class Frame:
    page: int
    is_commit: bool
    end: int
    """Where in the WAL it ends."""


@dataclass(frozen=True)
class Image:
    """A ledger as the next boot finds it, and the calls that were reported as settled before."""

    path: Path
    reported: frozenset[int]
    begun: int
    """So many frames of the WAL may have been copied into the database: all of them reached the disk before."""

    @property
    def wal(self) -> Path:
        return self.path.with_name(f"{self.path.name}-wal")

    def frames(self) -> list[Frame]:
        """The frames of the WAL that belong to its present generation, whole commits or not."""
        if not self.wal.exists():
            # Taken when the crawl had closed the ledger already.
            return []
        data = self.wal.read_bytes()
        salts = data[16:24]
        found = []
        for start in range(WAL_HEADER_BYTES, len(data) - FRAME_BYTES + 1, FRAME_BYTES):
            page, pages_after_commit = struct.unpack(">II", data[start : start + 8])
            if data[start + 8 : start + 16] != salts:
                break
            found.append(Frame(page, pages_after_commit > 0, start + FRAME_BYTES))
        return found

    def copy(self, folder: Path) -> Image:
        folder.mkdir()
        for file in (self.path, self.wal):
            if file.exists():
                shutil.copyfile(file, folder / file.name)
        return Image(folder / self.path.name, self.reported, self.begun)

    def stored(self) -> set[int]:
        """The good calls whose response stands here."""
        query = "SELECT call_id FROM responses JOIN calls ON calls.id = call_id WHERE calls.state = 'ok'"
        with closing(sqlite3.connect(self.path)) as db:
            return {call_id for (call_id,) in db.execute(query)}


class Crawling:
    """The crawl of `crawling.py`, in a process that can be made to stand still."""

    def __init__(self, process: subprocess.Popen[bytes], ledger: Path) -> None:
        self._process = process
        self._ledger = ledger
        self._reported = b""
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)

    def reported(self) -> frozenset[int]:
        assert self._process.stdout is not None
        while more := self._process.stdout.read():
            self._reported += more
        return frozenset(map(int, self._reported.split()))

    def wait_for_a_commit(self) -> None:
        """Until one is being written, which is not reported yet, or until the crawl has ended."""
        wal = self._ledger.with_name(f"{self._ledger.name}-wal")
        before = _changed_at(wal)
        while _changed_at(wal) == before and self._process.poll() is None:
            pass

    def take_image(self, folder: Path) -> Image | None:
        """None where the crawl has ended."""
        if not self._stand_still():
            return None
        try:
            return Image(self._ledger, self.reported(), self._begun()).copy(folder)
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def _begun(self) -> int:
        wal, index = (self._ledger.with_name(f"{self._ledger.name}{end}") for end in ("-wal", "-shm"))
        if not index.exists():
            return 0
        known = index.read_bytes()
        if known[SALTS_IN_INDEX] != wal.read_bytes()[16:24]:
            # All of it was copied: the next commit begins the WAL anew.
            return sys.maxsize
        return int.from_bytes(known[ATTEMPTED_IN_INDEX], sys.byteorder)

    def _stand_still(self) -> bool:
        if self._process.returncode is not None:
            return False
        os.kill(self._process.pid, signal.SIGSTOP)
        _, status = os.waitpid(self._process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            self._process.returncode = os.waitstatus_to_exitcode(status)
            return False
        return True


def next_boot() -> ProcessIdentity:
    """This machine, started anew."""
    me = this_process()
    return ProcessIdentity(me.host, "the next boot", me.pid, me.started)


def assert_wakes_up_sound(image: Image) -> None:
    """It opens, what was under way is taken back, the ledger is consistent, and all that was reported stands in it."""

    async def recover() -> None:
        async with Ledger(SqliteTransactionRunner(image.path)) as ledger:
            await ledger.recover(next_boot(), datetime.now(UTC) + timedelta(days=1))

    asyncio.run(recover())
    with SqliteReader(image.path) as reader:
        assert reader.findings() == []
        assert reader.progress().videos[VideoState.CLAIMED] == 0
    assert image.reported - image.stored() == set()


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
