"""What a power cut would leave: the database and its WAL, copied byte for byte while the crawl stands still.

The `-shm` is not copied: after a boot there is none.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harvester.ledger.ledger import SqlLedger
from harvester.ledger.process_identity import ProcessIdentity, this_process
from harvester.ledger.sqlite.connector import SqliteConnector
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.model import VideoState

PAGE_BYTES = 8192
SECTOR_BYTES = 512
WAL_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES
CHECKPOINT_FRAMES = 1000
"""A WAL with fewer frames has not begun to be copied into the database."""


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
        return Image(folder / self.path.name, self.reported)

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
        self._told = b""
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)

    def reported(self) -> frozenset[int]:
        assert self._process.stdout is not None
        while more := self._process.stdout.read():
            self._told += more
        return frozenset(map(int, self._told.split()))

    def take_image(self, folder: Path) -> Image | None:
        """None where the crawl has ended."""
        if not self._stand_still():
            return None
        try:
            return Image(self._ledger, self.reported()).copy(folder)
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def _stand_still(self) -> bool:
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
    """It opens, what was under way is taken back, the books balance, and all that was reported stands in it."""

    async def recover() -> None:
        async with SqlLedger(SqliteConnector(image.path)) as ledger:
            await ledger.recover(next_boot(), datetime.now(UTC) + timedelta(days=1))

    asyncio.run(recover())
    with SqliteReader(image.path) as books:
        assert books.findings() == []
        assert books.progress().videos[VideoState.CLAIMED] == 0
    assert image.reported - image.stored() == set()
