"""Power cuts under load: whatever moment they come at, the ledger opens, balances, and holds all that was reported.

What a crawl has on disk is copied at random moments while it stands still: that is what a killed machine leaves of a
disk that keeps its promises. Then the parts that may not have reached the disk are torn: the tail of the WAL behind
the last commit that was waited for, and the pages that a checkpoint was writing.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import pytest
from children import ForkedSimulator
from crash_images import (
    CHECKPOINT_FRAMES,
    PAGE_BYTES,
    SECTOR_BYTES,
    WAL_HEADER_BYTES,
    Crawling,
    Image,
    assert_wakes_up_sound,
)
from waiting import LIMIT_SECONDS, wait_until

from harvester.app import Harvester
from harvester.config import isolated_config
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.simulator import SimulatorProcess, SimulatorSettings, make_ids, truth

PROGRAM = Path(__file__).with_name("crawling.py")
VIDEOS = 4_000
IMAGES = 12
LONGEST_WAIT_SECONDS = 0.02
MOST_CALLS = 9
"""Between two images."""


@dataclass(frozen=True)
class Crawled:
    """A crawl that was watched to its end."""

    images: list[Image]
    ledger: Path
    exit_code: int
    reported: frozenset[int]
    answered_twice: int


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crawled]:
    folder = tmp_path_factory.mktemp("power")
    with ForkedSimulator(SimulatorSettings(latency_seconds=0.015)) as simulator:
        yield crawl(folder, simulator)


def crawl(folder: Path, simulator: SimulatorProcess) -> Crawled:
    (folder / "ids.txt").write_text("\n".join(make_ids(0, VIDEOS)), encoding="ascii")
    settings = {
        "source": {"uri": str(folder / "ids.txt")},
        "ledger": {"url": f"sqlite:///{folder / 'harvest.db'}"},
        "youtube": {"base_url": simulator.base_url},
        "run": {"concurrency": 6},
    }
    asyncio.run(Harvester(isolated_config(settings)).load())
    line = [sys.executable, "-W", "error", str(PROGRAM), json.dumps(settings)]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as process:
        try:
            crawling = Crawling(process, folder / "harvest.db")
            images = take_images(crawling, folder)
            exit_code = process.wait(LIMIT_SECONDS)
            twice = simulator.report()["ids"]["delivered_more"]
            return Crawled(images, folder / "harvest.db", exit_code, crawling.reported(), twice)
        finally:
            process.kill()


def take_images(crawling: Crawling, folder: Path) -> list[Image]:
    rng = random.Random(11)
    images: list[Image] = []
    wait_until(crawling.reported)
    # The process lives on for a moment after its last call: images of that moment would be all alike.
    while len(images) < IMAGES and len(crawling.reported()) < VIDEOS // 50:
        # By calls and not by time, so that they lie apart however slow the machine is.
        calls = min(len(crawling.reported()) + rng.randrange(MOST_CALLS), VIDEOS // 50)
        wait_until(lambda calls=calls: len(crawling.reported()) >= calls)
        if len(images) % 2:
            time.sleep(rng.uniform(0.0, LONGEST_WAIT_SECONDS))  # pause: a moment by chance
        else:
            crawling.wait_for_a_commit()
        image = crawling.take_image(folder / f"image-{len(images)}")
        if image is None:
            break
        images.append(image)
    # On a machine that is busy elsewhere the crawl may be the faster one.
    assert len(images) >= IMAGES // 2, f"the crawl ended after {len(images)} images"
    return images


def test_every_image_opens_balances_and_holds_what_was_reported(crawled: Crawled, tmp_path: Path) -> None:
    reported = [len(image.reported) for image in crawled.images]
    assert reported == sorted(reported)
    assert len(set(reported)) > len(reported) / 2
    for number, image in enumerate(crawled.images):
        assert_wakes_up_sound(image.copy(tmp_path / str(number)))


def test_the_crawl_that_was_held_up_so_often_ends_as_if_it_had_not_been(crawled: Crawled) -> None:
    assert (crawled.exit_code, crawled.answered_twice) == (0, 0)
    assert len(crawled.reported) == VIDEOS / 50
    with SqliteReader(crawled.ledger) as reader:
        assert reader.findings() == []
        assert all(state.label == truth(video_id, 0) for video_id, state in reader.states())


# --- the tail of the WAL that was not waited for


@cache
def surely_on_disk(image: Image) -> int:
    """Where in the WAL the last commit ends of which it is sure that it was waited for.

    Each commit is waited for before the next begins, so only the last one may not have been; and not even that one
    where a checkpoint may have begun, which waits for it too, or where it was reported.
    """
    commits = [frame.end for frame in image.frames() if frame.is_commit]
    if len(image.frames()) >= CHECKPOINT_FRAMES:
        return commits[-1]
    ends = [WAL_HEADER_BYTES, *commits]
    # What a checkpoint has begun to copy was waited for; a WAL cut before it would not go with the file any more.
    begun = min(ends[-1], max((frame.end for frame in image.frames()[: image.begun]), default=0))
    for end in ends[-2:]:
        if end >= begun and image.reported <= stored_up_to(image, end):
            return end
    raise AssertionError("a call was reported that is not in the WAL")


def stored_up_to(image: Image, end: int) -> set[int]:
    with tempfile.TemporaryDirectory() as folder:
        part = image.copy(Path(folder) / "part")
        os.truncate(part.wal, end)
        return part.stored()


def cut(tail: bytearray, rng: random.Random) -> bytes:
    return bytes(tail[: rng.randrange(len(tail) + 1)])


def scrambled(tail: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(tail) + 1)
    return bytes(tail[:start]) + rng.randbytes(len(tail) - start)


def zeroed(tail: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(tail) + 1)
    return bytes(tail[:start]) + bytes(len(tail) - start)


def with_sectors_lost(tail: bytearray, rng: random.Random) -> bytes:
    for start in range(0, len(tail), SECTOR_BYTES):
        if rng.random() < 0.3:
            tail[start : start + SECTOR_BYTES] = bytes(len(tail[start : start + SECTOR_BYTES]))
    return bytes(tail)


def followed_by_garbage(tail: bytearray, rng: random.Random) -> bytes:
    return bytes(tail) + rng.randbytes(rng.randrange(1, 3 * PAGE_BYTES))


@pytest.mark.parametrize("tear", [cut, scrambled, zeroed, with_sectors_lost, followed_by_garbage])
def test_a_torn_tail_of_the_wal_is_nothing_or_a_whole_commit(
    crawled: Crawled, tmp_path: Path, tear: Callable[[bytearray, random.Random], bytes]
) -> None:
    rng = random.Random(tear.__name__)
    torn = 0
    for number, image in enumerate(crawled.images):
        if not image.frames():
            continue
        start, end = surely_on_disk(image), image.frames()[-1].end
        with_tail = image.copy(tmp_path / str(number))
        data = image.wal.read_bytes()
        tail = tear(bytearray(data[start:end]), rng)
        # Behind it may lie frames of an earlier generation, which SQLite knows by their salt.
        with_tail.wal.write_bytes(data[:start] + tail + (data[end:] if len(tail) == end - start else b""))
        assert_wakes_up_sound(with_tail)
        torn += end > start
    assert torn


# --- a checkpoint that was under way


def test_a_checkpoint_that_was_cut_off_is_done_again(crawled: Crawled, tmp_path: Path) -> None:
    """It writes pages that stand whole in the WAL; some sectors of them are new, some old, some lost."""
    rng = random.Random(5)
    torn = 0
    for number, image in enumerate(crawled.images):
        frames = image.frames()
        # The last commit may have been stopped between a frame's header and its page: no checkpoint writes that yet.
        commits = [frame.end for frame in frames if frame.is_commit][:-1]
        if not commits:
            continue
        last_commit = commits[-1]
        newest = {frame.page: frame.end for frame in frames if frame.end <= last_commit}
        half_done = image.copy(tmp_path / str(number))
        wal = image.wal.read_bytes()
        with half_done.path.open("r+b") as file:
            for page, end in newest.items():
                torn += write_some_sectors(file, page, wal[end - PAGE_BYTES : end], rng)
        assert_wakes_up_sound(half_done)
    assert torn > 1_000


def write_some_sectors(file: BinaryIO, page: int, content: bytes, rng: random.Random) -> int:
    written = 0
    for start in range(0, PAGE_BYTES, SECTOR_BYTES):
        if rng.random() < 0.5:
            file.seek((page - 1) * PAGE_BYTES + start)
            # The first sector tells SQLite what the file is: disks write a sector whole.
            is_lost = page > 1 and rng.random() < 0.2
            file.write(bytes(SECTOR_BYTES) if is_lost else content[start : start + SECTOR_BYTES])
            written += 1
    return written


# --- what makes it so


async def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """FULL is 2: the WAL is synced by each commit before it returns."""
    prepare(tmp_path / "harvest.db")
    runner = SqliteTransactionRunner(tmp_path / "harvest.db")
    pragmas = ("synchronous", "journal_mode", "foreign_keys", "wal_autocheckpoint")
    try:
        values = [await runner.run(lambda tx, p=pragma: tx.value(f"PRAGMA {p}")) for pragma in pragmas]
    finally:
        await runner.close()
    assert values == [2, "wal", 1, CHECKPOINT_FRAMES]
