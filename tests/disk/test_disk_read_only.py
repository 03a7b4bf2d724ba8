"""A ledger that this user may not write: it can be looked at wherever that is sound, and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from disk_kit import (
    assert_says,
    fingerprints,
    harvester,
    load,
    small_disk,
)

from harvester.errors import LedgerUnavailable
from harvester.ledger.sqlite import reader as reader_module
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.simulator import make_ids

READING = [["status"], ["verify"]]
WRITING = [["load", "ids.txt"], ["run"]]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")


def fill(folder: Path) -> None:
    (folder / "config.toml").touch()
    (folder / "ids.txt").write_text("\n".join(make_ids(2, 100)), encoding="ascii")
    load(folder, make_ids(1, 1_000))


@contextmanager
def modes(folder: Path, *, of_file: int, of_folder: int) -> Iterator[None]:
    (folder / "harvest.db").chmod(of_file)
    folder.chmod(of_folder)
    try:
        yield
    finally:
        folder.chmod(0o755)


def assert_can_be_read_and_not_written(folder: Path) -> None:
    before = fingerprints(folder)
    for command in READING:
        done = harvester(folder, *command, as_root=False)
        assert done.returncode == 0, (command, done.stderr)
    for command in WRITING:
        done = harvester(folder, *command, as_root=False)
        assert_says(done, 3, "harvest.db", "Nothing was changed")
    assert fingerprints(folder) == before


@pytest.mark.parametrize(
    ("of_file", "of_folder"), [(0o444, 0o755), (0o644, 0o555), (0o444, 0o555)], ids=["file", "folder", "both"]
)
def test_a_ledger_without_the_right_to_write(tmp_path: Path, of_file: int, of_folder: int) -> None:
    fill(tmp_path)
    with modes(tmp_path, of_file=of_file, of_folder=of_folder):
        assert_can_be_read_and_not_written(tmp_path)


def test_a_ledger_on_a_disk_that_is_mounted_read_only(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        fill(disk.folder)
        disk.make_read_only()
        assert_can_be_read_and_not_written(disk.folder)


def test_an_export_from_a_read_only_ledger(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        fill(disk.folder)
        disk.make_read_only()
        done = harvester(disk.folder, "export", str(tmp_path / "songs.json"))
        assert (done.returncode, (tmp_path / "songs.json").read_text()) == (0, "[]\n"), done.stderr


def test_a_ledger_that_may_not_be_read_at_all(tmp_path: Path) -> None:
    fill(tmp_path)
    with modes(tmp_path, of_file=0o000, of_folder=0o755):
        for command in [*READING, *WRITING, ["init"]]:
            assert_says(harvester(tmp_path, *command, as_root=False), 3, "harvest.db", "Nothing was")


def leave_a_wal(folder: Path) -> None:
    """As a kill does: one more id, in a commit that stands in the WAL alone, and no shared memory."""
    path = folder / "harvest.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO videos (video_id) VALUES ('dQw4w9WgXcQ')")
        db.execute("UPDATE video_states SET videos = videos + 1 WHERE code = 0")
        db.commit()
        kept = {name: (folder / name).read_bytes() for name in ("harvest.db", "harvest.db-wal")}
    for name, content in kept.items():
        (folder / name).write_bytes(content)
    path.with_name("harvest.db-shm").unlink(missing_ok=True)


def test_where_commits_stand_in_a_wal_it_is_not_read_without_them(tmp_path: Path) -> None:
    """To read them, SQLite needs a file that it cannot make: that is said, and no older state is shown for today's."""
    fill(tmp_path)
    leave_a_wal(tmp_path)
    with modes(tmp_path, of_file=0o644, of_folder=0o555):
        for command in READING:
            done = harvester(tmp_path, *command, as_root=False)
            assert_says(done, 3, "cannot be opened", "writable by this user")
    with SqliteReader(tmp_path / "harvest.db") as reader:
        assert reader.progress().total == 1_001


def test_what_was_read_without_locks_while_somebody_wrote_is_void(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    monkeypatch.setattr(reader_module, "needs_immutable", lambda _: True)
    with SqliteReader(tmp_path / "harvest.db") as reader:
        assert reader.progress().total == 1_000
        load(tmp_path, make_ids(1, 1_200))
        with pytest.raises(LedgerUnavailable, match="was written to while it was read") as caught:
            reader.progress()
        assert (caught.value.exit_code, caught.value.worth_retrying) == (4, True)
        with pytest.raises(LedgerUnavailable):
            list(reader.states())
