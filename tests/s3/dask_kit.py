"""What the tests of exports on Dask share: ledgers in which workers can be caught in mid-part, and processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import psutil
from crawled_ledger import NOW
from waiting import wait_until

from harvester.config import ExportSettings
from harvester.export import Manifest, OnDask, export
from harvester.export.part_writer import PartMaker, make_here
from harvester.ledger.postgres.reader import PostgresReader
from harvester.ledger.reader import LedgerReader
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.model import Span
from harvester.support.progress_callback import ProgressCallback, no_progress

if TYPE_CHECKING:
    from conftest import S3

Kind: TypeAlias = tuple[str, str, int]
"""Format, compression, most bytes of a part."""
PARQUET: Kind = ("parquet", "none", 100_000)


def go(
    ledger: Path | LedgerReader,
    uri: str,
    kind: Kind,
    maker: PartMaker = make_here,
    watch: ProgressCallback = no_progress,
) -> Manifest:
    chosen: dict[str, Any] = dict(zip(("format", "compression", "max_part_bytes"), kind, strict=True))
    settings = ExportSettings(uri=uri, region="eu-west-3", **chosen)
    with SqliteReader(ledger) if isinstance(ledger, Path) else nullcontext(ledger) as reader:
        return export(reader, settings, ledger_name="l", now=NOW, maker=maker, watch=watch)


def on(cluster: str, ledger: Path) -> OnDask:
    return OnDask(cluster, partial(SqliteReader, ledger))


def files(folder: Path) -> dict[str, bytes]:
    """Hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def published(s3: S3, prefix: str = "") -> dict[str, bytes]:
    """What lies in the bucket below it."""
    listed = s3.client.list_objects_v2(Bucket=s3.bucket, Prefix=prefix)["Contents"]
    return {entry["Key"].removeprefix(prefix): s3.content(entry["Key"]) for entry in listed}


class _Held(LedgerReader):
    """Notes in a folder who begins which part, and waits there for a file named `go`: before its first rows, or before
    those that come after so many."""

    folder: Path
    after: int = 0

    def fetched(self, span: Span, size: int) -> Iterator[Sequence[tuple[str, int]]]:
        for number, rows in enumerate(super().fetched(span, size)):
            if number == self.after:
                (self.folder / f"{os.getpid()}-{span.first}").touch()
                wait_until((self.folder / "go").exists)
            yield rows


class HeldReader(_Held, SqliteReader):
    def __init__(self, folder: Path, path: Path, after: int = 0) -> None:
        super().__init__(path)
        self.folder, self.after = folder, after


class HeldPostgresReader(_Held, PostgresReader):
    def __init__(self, folder: Path, url: str, snapshot: str | None = None) -> None:
        super().__init__(url, snapshot)
        self.folder = folder


def attempts(folder: Path) -> list[tuple[int, int]]:
    """Who, by process id, began which part, by first position."""
    found = [path.name.partition("-") for path in folder.iterdir() if path.name != "go"]
    return [(int(pid), int(first)) for pid, _, first in found]


def gone(processes: Sequence[psutil.Process]) -> bool:
    """Whether all have ended. Whose parent was killed may wait for somebody who wants to know."""

    def ended(process: psutil.Process) -> bool:
        try:
            return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    return all(ended(process) for process in processes)


def give_one_processor(pid: int, number: int) -> None:
    """So that a local cluster of that process has one worker; `number` tells which."""
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {processors[number % len(processors)]})


@contextmanager
def scheduler_and_worker(
    folder: Path,
) -> Iterator[tuple[str, subprocess.Popen[Any], psutil.Process]]:
    """As somebody starts them by hand: the scheduler's address, and both."""
    note = folder / "scheduler.json"
    place = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", note)
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "NO_PROXY": "127.0.0.1"}
    with _dask("scheduler", "--port", "0", *place, log=folder / "scheduler.log", env=env) as scheduler:
        once = ("--nthreads", "1", "--no-nanny", "--local-directory", folder)
        with _dask("worker", *once, *place, log=folder / "worker.log", env=env) as worker:
            wait_until(lambda: note.exists() and note.read_text().endswith("}"))
            yield json.loads(note.read_text())["address"], scheduler, psutil.Process(worker.pid)


@contextmanager
def _dask(what: str, *arguments: object, log: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    line = [sys.executable, "-m", f"distributed.cli.dask_{what}", *map(str, arguments)]
    with log.open("wb") as out, subprocess.Popen(line, env=os.environ | env, stdout=out, stderr=out) as process:
        try:
            yield process
        finally:
            process.kill()
