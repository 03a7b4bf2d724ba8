"""kill -9 in the middle of `load`: whole chunks stand, and loading again ends as if nothing had been cut off."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from children import Program
from dying import Rows, assert_sound, dies, rows

from harvester.ledger.ledger import Ledger
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.loader import load
from harvester.simulator import make_ids
from harvester.sources import read_ids

CHUNK_ROWS = 500
CHUNKS = 12
SOURCE = ["load", "ids.txt"]

LOAD_ID = 6
"""The number of the column `videos.load_id`, from 0."""


@pytest.fixture
def folder(harvester: Program) -> Path:
    """A source with duplicates, within a chunk and across chunks, and texts that are no ids."""
    ids = list(make_ids(1, 4_000))
    rng = random.Random(1)
    lines = [*ids, *rng.choices(ids, k=CHUNKS * CHUNK_ROWS - len(ids) - 90), *(f"no id {n % 45}" for n in range(90))]
    rng.shuffle(lines)
    (harvester.folder / "ids.txt").write_text("\n".join(lines), encoding="ascii")
    return harvester.folder


@pytest.fixture
def uncut(folder: Path) -> Rows:
    """What stands in a ledger that was loaded in one go."""
    path = folder / "uncut.db"
    prepare(path)

    async def load_it() -> None:
        async with Ledger(SqliteTransactionRunner(path)) as ledger:
            await load(ledger, read_ids(str(folder / "ids.txt"), column="song", chunk_rows=CHUNK_ROWS))

    asyncio.run(load_it())
    return loaded_rows(path)


def loaded_rows(path: Path) -> Rows:
    """The ids and the counts, without which load brought an id: a load that was cut off leaves the rest to another."""
    found = rows(path, "videos", "video_states")
    return found | {"videos": [(*row[:LOAD_ID], *row[LOAD_ID + 1 :]) for row in found["videos"]]}


def assert_whole_chunks(path: Path, uncut: Rows) -> int:
    """What is there is a beginning of the uncut ledger, and the ledger is consistent."""
    assert_sound(path)
    loaded = loaded_rows(path)["videos"]
    assert loaded == uncut["videos"][: len(loaded)]
    return len(loaded)


def assert_loaded(harvester: Program, uncut: Rows) -> None:
    """The command, once more: the ledger is what it would be."""
    done = harvester.here(*SOURCE)
    assert done.returncode == 0, done.stderr
    figures = dict(
        line.rsplit(None, 1) for line in done.stdout.replace(",", "").splitlines() if line.split()[-1].isdigit()
    )
    assert int(figures["new"]) + int(figures["already there"]) == int(figures["distinct"]) == 4_045
    assert loaded_rows(harvester.folder / "harvest.db") == uncut
    assert_sound(harvester.folder / "harvest.db")


@pytest.mark.parametrize(
    ("point", "visit", "chunks"),
    [
        ("within the transaction", 1, 0),
        ("within the transaction", 7, 6),
        ("between chunks", 1, 1),
        ("between chunks", 7, 7),
    ],
)
def test_killed_at_a_named_point_whole_chunks_stand(
    harvester: Program, folder: Path, uncut: Rows, point: str, visit: int, chunks: int
) -> None:
    dies(folder, {"point": point, "visit": visit, "chunk_rows": CHUNK_ROWS}, *SOURCE)
    lines = (folder / "ids.txt").read_text(encoding="ascii").splitlines()[: chunks * CHUNK_ROWS]
    assert assert_whole_chunks(folder / "harvest.db", uncut) == len(set(lines))
    assert_loaded(harvester, uncut)


def test_killed_at_any_moment_again_and_again(harvester: Program, folder: Path, uncut: Rows) -> None:
    rng = random.Random(7)
    before = 0
    for _ in range(4):
        delay = rng.uniform(0.0, 0.02)
        death = {"point": "within the transaction", "delay_seconds": delay, "chunk_rows": CHUNK_ROWS}
        death |= {"read_ahead_ids": 3 * CHUNK_ROWS}
        dies(folder, death, *SOURCE)
        now = assert_whole_chunks(folder / "harvest.db", uncut)
        assert now >= before
        before = now
    assert_loaded(harvester, uncut)
