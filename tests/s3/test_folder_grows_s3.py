"""A folder on S3 that grows by the day: a day's data is sent a day, and readers see one set of parts or another."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
from children import Program
from crawled_ledger import crawl, crawled_ledger, in_order
from faulty_s3 import Hold
from s3_kit import NOW, findings, go, parts
from waiting import wait_until

from harvester.config import ExportSettings
from harvester.errors import StorageUnavailable
from harvester.export import export
from harvester.export.storage import s3_parts_folder
from harvester.ledger.ledger import Ledger
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.simulator import make_ids

if TYPE_CHECKING:
    from conftest import S3
    from faulty_s3 import FaultyS3, Request

FOLDER = "deep/songs"
DAYS, CALLS_A_DAY = 5, 1
VIDEOS = DAYS * CALLS_A_DAY * 50
MOST = 150_000
# A day's data is about that much.
MOST_OF_DAYS = 250_000
Files = dict[str, bytes]


def publish(s3: S3, ledger: Path, folder: str = FOLDER, most: int = MOST) -> None:
    with SqliteReader(ledger) as reader:
        go(s3, reader, folder, format="jsonl", max_part_bytes=most)  # type: ignore[arg-type]


def fetch_a_day(ledger: Path, day: int) -> None:
    calls = in_order(VIDEOS)[day * CALLS_A_DAY : (day + 1) * CALLS_A_DAY]
    ids = list(make_ids(1, VIDEOS))
    asyncio.run(crawl(Ledger(SqliteTransactionRunner(ledger)), ids, calls, missing_share=0.07))


def files(s3: S3, folder: str = FOLDER) -> Files:
    return {key.removeprefix(f"{folder}/"): s3.content(key) for key in parts(s3, folder)}


def by_manifest(s3: S3, folder: str = FOLDER) -> Files:
    """As docs/export.md says: a part that is gone means that there is a newer manifest."""
    while True:
        manifest = json.loads(s3.content(f"{folder}.manifest.json"))
        try:
            found = {part["file"]: s3.content(f"{folder}/{part['file']}") for part in manifest["parts"]}
        except s3.client.exceptions.NoSuchKey:
            continue
        for part in manifest["parts"]:
            assert hashlib.sha256(found[part["file"]]).hexdigest() == part["sha256"]
        return found


@contextmanager
def reading(s3: S3, seen: list[Files]) -> Iterator[None]:
    """A reader that goes by the manifest all the time. `seen` gets each set of parts that it finds."""
    over, begun = Event(), Event()
    failed: list[Exception] = []

    def read() -> None:
        try:
            last = False
            while not last:
                # A look that began before the end may have missed the last publication.
                last = over.wait(0.1)  # pause: the server is its only processor
                found = by_manifest(s3)
                if not seen or found != seen[-1]:
                    seen.append(found)
                begun.set()
        except Exception as error:  # noqa: BLE001 (for the test's own thread)
            failed.append(error)
            begun.set()

    thread = Thread(target=read)
    thread.start()
    try:
        wait_until(begun.is_set)
        yield
    finally:
        over.set()
        thread.join()
    assert not failed, failed


class Meter:
    """Passes requests on, and counts what they send."""

    def __init__(self) -> None:
        self.bytes = 0

    def __call__(self, request: Request) -> None:
        self.bytes += len(request.body())
        request.forward()


def test_five_days_send_a_days_data_each(s3: S3, faulty: FaultyS3, tmp_path: Path) -> None:
    ledger, meter = tmp_path / "harvest.db", Meter()
    for operation in ("part", "put"):
        faulty.on(operation, meter)
    prepare(ledger)
    sent, published, sets, seen = [], [0], [], []
    for day in range(DAYS):
        fetch_a_day(ledger, day)
        before = meter.bytes
        if day == DAYS - 3:
            watched = reading(s3, seen)
            watched.__enter__()
        publish(s3, ledger, most=MOST_OF_DAYS)
        sets.append(files(s3))
        sent.append(meter.bytes - before)
        published.append(sum(map(len, sets[-1].values())))
    watched.__exit__(None, None, None)
    for day in range(DAYS):
        grown = published[day + 1] - published[day]
        manifest = 2 * 500 * len(sets[day])
        print(f"day {day + 1}: {grown:,} bytes are new, {sent[day]:,} were sent, {published[day + 1]:,} are there")
        assert sent[day] < grown + MOST_OF_DAYS + manifest
    assert all(found in sets for found in seen)
    assert seen[-1] == sets[-1]
    publish(s3, ledger, "fresh", most=MOST_OF_DAYS)
    assert files(s3, "fresh") == sets[-1]
    with SqliteReader(ledger) as reader:
        assert findings(s3, reader, FOLDER) == []  # type: ignore[arg-type]
    assert s3.uploads() == []


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A crawl half way and at its end."""
    folder = tmp_path_factory.mktemp("states")
    for fetched in (100, 200):
        crawled_ledger(folder / str(fetched), 200, in_order(fetched))
    return sorted(folder.glob("?00"))


@pytest.fixture(scope="module")
def whole(states: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Files]:
    """What an export of each to an empty folder gives, which is the same on a disk."""
    folders = [tmp_path_factory.mktemp("whole") / "songs" for _ in states]
    for ledger, folder in zip(states, folders, strict=True):
        with SqliteReader(ledger) as reader:
            export(
                reader,
                ExportSettings(uri=str(folder), format="jsonl", max_part_bytes=MOST),
                ledger_name="harvest.db",
                now=NOW,
            )
    return [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]


@pytest.fixture
def wanted(s3: S3, states: list[Path], whole: list[Files]) -> list[Files]:
    """The same; the first is published."""
    publish(s3, states[0])
    return whole


def test_a_reader_beside_two_exporters_of_different_states(s3: S3, states: list[Path], wanted: list[Files]) -> None:
    ended: list[str] = []
    seen: list[Files] = []

    def export_often(ledger: Path) -> None:
        for _ in range(3):
            try:
                publish(s3, ledger)
                ended.append("published")
            except StorageUnavailable as error:
                # Overtaken, or its uploads were taken back by the one that was faster.
                ended.append(str(error))

    with reading(s3, seen):
        threads = [Thread(target=partial(export_often, ledger)) for ledger in states]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(ended) == 6
    assert "published" in ended, ended
    assert all(found in wanted for found in seen)
    assert by_manifest(s3) in wanted


class Stop(Hold):
    """Lets requests pass, and holds the one of that number for ever: whoever sent it dies."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def __call__(self, request: Request) -> None:
        self._left -= 1
        if self._left:
            request.forward()
        else:
            request.body()
            self.arrived.set()
            self._released.wait(300)
            with suppress(OSError):
                request.break_off()


@pytest.mark.parametrize(
    ("operation", "number", "stands"),
    [
        ("part", 2, "old"),
        ("put", 1, "old"),  # what keeps other exports from it
        ("complete", 1, "old"),
        ("complete", 3, "old"),
        ("put", 3, "old"),  # the manifest
        ("post", 1, "new"),  # removes the old parts
        ("delete", 2, "new"),  # the first tells whether it may remove anything
    ],
)
def test_killed_at_any_step_the_manifest_tells_one_set_or_the_other(
    s3: S3,
    faulty: FaultyS3,
    harvester: Program,
    states: list[Path],
    wanted: list[Files],
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    number: int,
    stands: str,
) -> None:
    shutil.copy(states[1], harvester.folder / "harvest.db")
    stop = Stop(number)
    faulty.on(operation, stop)
    child = harvester.start("export", f"s3://{s3.bucket}/{FOLDER}", "--format", "jsonl", "--max-part-bytes", str(MOST))
    wait_until(stop.arrived.is_set)
    child.send(signal.SIGKILL)
    stop.release()
    child.wait()
    faulty.heal()
    assert by_manifest(s3) == wanted[stands == "new"]
    monkeypatch.setattr(s3_parts_folder, "DEAD_SECONDS", 0.1)
    publish(s3, states[1])
    assert files(s3) == wanted[1]
    assert s3.uploads() == []


def test_one_that_finds_another_at_work_waits_and_is_overtaken(
    s3: S3, states: list[Path], wanted: list[Files], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins in the middle of the other's commit, and may not take that one for dead."""
    folder = s3_parts_folder.S3Folder(s3.bucket, FOLDER)
    second: list[Thread] = []
    reported: list[str] = []
    switch = s3_parts_folder._Draft._switch

    def export_too() -> None:
        try:
            publish(s3, states[0])
        except StorageUnavailable as error:
            reported.append(str(error))

    def meanwhile(draft: Any, manifest: bytes) -> None:
        if not second:
            looks = s3_parts_folder.S3Folder.look
            looked = Event()

            def look(self: Any) -> Any:
                found = looks(self)
                looked.set()
                return found

            monkeypatch.setattr(s3_parts_folder.S3Folder, "look", look)
            second.append(Thread(target=export_too))
            second[0].start()
            wait_until(looked.is_set)
        switch(draft, manifest)

    monkeypatch.setattr(s3_parts_folder._Draft, "_switch", meanwhile)
    publish(s3, states[1])
    second[0].join()
    assert "Another export was published" in reported[0]
    assert files(s3) == wanted[1]
    assert folder.changing() is None
