"""Real harvester processes on a disk that is full, read-only or damaged, and what they must say of it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import rights
from children import Program
from forks import run, start
from waiting import LIMIT_SECONDS

from harvester.ledger.ledger import Ledger
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner

FULL_AT = Path(__file__).with_name("full_at.py")


def harvester(folder: Path, *arguments: str, as_root: bool = True, full_at: str = "") -> CompletedProcess[str]:
    """Run it to its end, with or without the rights of root; `full_at` is what `full_at.py` takes first."""
    env = os.environ | {"PYTHONWARNINGS": "error", "NO_PROXY": "127.0.0.1"}
    if full_at:
        return _on_a_full_disk(folder, [full_at, *arguments], env)
    return run("harvester" if as_root else Path(rights.__file__), arguments, folder=folder, env=env)


def _on_a_full_disk(folder: Path, arguments: Sequence[str], env: Mapping[str, str]) -> CompletedProcess[str]:
    # Its streams are pipes: of a limit on files they feel nothing.
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start(FULL_AT, arguments, folder=folder, env=env, **pipes)
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr, ThreadPoolExecutor(1) as pool:
        complaints = pool.submit(process.stderr.read)
        out = process.stdout.read()
        code = process.wait(LIMIT_SECONDS)
        return CompletedProcess(list(arguments), code, out.decode(), complaints.result().decode())


def here(folder: Path, *arguments: str) -> CompletedProcess[str]:
    """Run it in this process, where nothing is to be done to it."""
    return Program(folder).here(*arguments)


def ok(folder: Path, *arguments: str) -> str:
    done = here(folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_says(done: CompletedProcess[str], exit_code: int, *words: str) -> None:
    """One error, in a few readable lines: what, the state, what to do."""
    assert done.returncode == exit_code, done.stderr
    before, _, message = done.stderr.partition("Error: ")
    assert message, done.stderr
    lines = message.splitlines()
    assert 2 <= len(lines) <= 4, message
    assert all(line.endswith((".", ":")) or "sqlite3" in line for line in lines), message
    for word in words:
        assert word in message, message
    for word in ("Traceback", "bug in harvester", "never retrieved", "Exception ignored"):
        assert word not in before + message, done.stderr


def files_of_at_most(size: int) -> str:
    """For `full_at`: a disk that is full for every file that would grow larger."""
    return str(size)


class SmallDisk:
    """A tmpfs of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resize(self, size: str) -> None:
        self._remount(f"size={size}")

    def make_read_only(self) -> None:
        self._remount("ro")

    def fill(self, but: int = 0) -> Path:
        """A file that takes all the room that is left, but for some bytes."""
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        os.truncate(filler, filler.stat().st_size - but)
        return filler

    def _remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)], check=True, timeout=LIMIT_SECONDS)


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[SmallDisk]:
    """Skips the test where none may be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if (
        shutil.which("mount") is None
        or subprocess.run(mount, capture_output=True, timeout=LIMIT_SECONDS).returncode != 0
    ):
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=LIMIT_SECONDS)


def load(folder: Path, ids: Iterable[str]) -> None:
    """As `harvester load` does, in this process."""
    prepare(folder / "harvest.db")

    async def add() -> None:
        async with Ledger(SqliteTransactionRunner(folder / "harvest.db")) as ledger:
            await ledger.add(list(ids), [], 0)

    asyncio.run(add())


def assert_sound(ledger: Path) -> None:
    with SqliteReader(ledger) as reader:
        assert reader.findings() == []


def fingerprints(folder: Path) -> dict[str, str]:
    """What every file of the folder holds, but for the shared memory that SQLite makes to read."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.endswith("-shm") and not (file.name.endswith("-wal") and is_empty(file))
    }


def is_empty(file: Path) -> bool:
    return file.stat().st_size == 0
