"""kill -9 in the middle of `retry` or `prune`: whole transactions stand, and the same command continues from there."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from children import Program
from crawled_ledger import crawled_ledger, in_order
from dying import assert_sound, dies

from harvester.ledger.sqlite.reader import SqliteReader
from harvester.model import VideoState

VIDEOS = 600
AT_ONCE = {"retry": 100, "prune": 2}
"""Positions, and responses of 50 ids, in one transaction."""
COMMANDS = {"retry": ["retry", "--missing"], "prune": ["prune", "--older-than", "30d"]}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "harvest.db"
    crawled_ledger(path, VIDEOS, in_order(VIDEOS), missing_share=0.3)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE responses SET fetched_at = '2020-01-01T00:00:00.000000Z'")
        db.commit()
    return path


@pytest.fixture
def path(harvester: Program, template: Path) -> Path:
    return shutil.copy(template, harvester.folder / "harvest.db")


def pending(path: Path) -> list[int]:
    """The positions that are, in a consistent ledger."""
    assert_sound(path)
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT position FROM videos WHERE state = 0 ORDER BY position")]


@pytest.mark.parametrize(
    ("command", "point"),
    [
        ("retry", "before ids are requeued"),
        ("retry", "within the transaction that requeues"),
        ("prune", "before responses are deleted"),
        ("prune", "within the transaction that deletes"),
    ],
)
def test_killed_in_the_middle_it_goes_on_when_it_is_repeated(
    harvester: Program, path: Path, command: str, point: str
) -> None:
    with SqliteReader(path) as reader:
        videos = reader.progress().videos
    moved, stays = VideoState.MISSING, VideoState.FETCHED
    if command == "prune":
        moved, stays = stays, moved
    dies(harvester.folder, {"point": point, "visit": 4, "again_at_once": AT_ONCE[command]}, *COMMANDS[command])
    done = pending(path)
    assert done
    assert all(position <= 3 * 100 for position in done)
    rest = harvester.here(*COMMANDS[command])
    assert rest.returncode == 0, rest.stderr
    assert f"{videos[moved] - len(done):,}  pending again" in rest.stdout
    assert len(pending(path)) == videos[moved]
    with SqliteReader(path) as reader:
        progress = reader.progress()
        assert progress.videos[stays] == videos[stays]
        assert (progress.pruned.videos, len(list(reader.sizes()))) == (
            (videos[moved], 0) if command == "prune" else (0, VIDEOS // 50)
        )
