"""ledger backup: the ledger as it was at one moment, whole, verified, and in place of nothing but an earlier backup."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from children import Program, Simulate
from crawled_ledger import crawled_ledger, in_order
from waiting import wait_until

from harvester.errors import DestinationRefused, InconsistentLedger
from harvester.ledger import backup as module
from harvester.ledger.backup import backup, is_backup
from harvester.ledger.copy import TABLES
from harvester.ledger.sqlite.reader import SqliteReader

VIDEOS = 600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def ledger(folder: Path) -> Path:
    path = folder / "harvest.db"
    crawled_ledger(path, VIDEOS, in_order(VIDEOS)[:8])
    return path


def write(ledger: Path, target: Path) -> None:
    backup(f"sqlite:///{ledger}", target)


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        return {table.name: db.execute(f"SELECT * FROM {table.name} ORDER BY 1").fetchall() for table in TABLES}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"harvest.db-wal", "harvest.db-shm"}


def test_it_holds_every_row_with_what_is_only_in_the_wal(folder: Path, ledger: Path) -> None:
    target = folder / "backup.db"
    with closing(sqlite3.connect(ledger)) as other:
        # Kept open, so that the WAL is not moved into the file.
        other.execute("UPDATE runs SET host = 'another'")
        other.commit()
        assert (folder / "harvest.db-wal").stat().st_size
        write(ledger, target)
    assert rows(target) == rows(ledger)
    assert names(folder) == {"harvest.db", "backup.db"}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert is_backup(target)
    assert not is_backup(ledger)


@pytest.fixture
def program(folder: Path) -> Iterator[Program]:
    program = Program(folder)
    yield program
    program.end_all()


def test_while_runs_go_on_each_is_consistent_and_a_restored_one_goes_on(
    folder: Path, program: Program, simulate: Simulate
) -> None:
    simulator = simulate(daily_units=100_000)
    program.env = {
        "HARVESTER_YOUTUBE__BASE_URL": simulator.base_url,
        "HARVESTER_QUOTA__DAILY_UNITS": "100000",
        "YOUTUBE_API_KEY": "any",
    }
    crawled_ledger(folder / "harvest.db", 4_000, [])
    child = program.start("run")
    wait_until(lambda: simulator.report()["calls"] > 10)
    for number in (1, 2, 3):
        done = program.run("ledger", "backup", "backup.db")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("backup.db is a verified backup of harvest.db: 4,000 ids, ")
        shutil.copy(folder / "backup.db", folder / f"{number}.db")
    assert child.wait() == 0
    fetched = []
    for number in (1, 2, 3):
        with SqliteReader(folder / f"{number}.db") as reader:
            assert reader.findings() == []
            progress = reader.progress()
            assert progress.total == 4_000
            fetched.append(progress.settled)
    assert fetched == sorted(fetched)

    for file in folder.glob("harvest.db*"):
        file.unlink()
    shutil.copy(folder / "1.db", folder / "harvest.db")
    assert program.run("run").returncode == 0
    done = program.run("verify")
    assert "The ledger is consistent: 4,000 ids" in done.stdout
    assert '"pending": 0' in program.run("status", "--json").stdout


def test_an_earlier_backup_is_replaced_and_nothing_else(folder: Path, ledger: Path) -> None:
    target = folder / "backup.db"
    target.touch()
    write(ledger, target)
    first = target.stat().st_ino
    write(ledger, target)
    assert target.stat().st_ino != first

    def refused(words: str) -> None:
        before = target.read_bytes() if target.is_file() else b""
        with pytest.raises(DestinationRefused, match=words):
            write(ledger, target)
        assert (target.read_bytes() if target.is_file() else b"") == before

    target.with_name("backup.db-wal").write_bytes(b"of another")
    refused("backup.db-wal next to it belongs to another database")
    target.with_name("backup.db-wal").unlink()
    # Opened as a ledger, it holds what no other place does.
    with closing(sqlite3.connect(target)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    refused("was used as a ledger since")
    crawled_ledger(folder / "other.db", 10, [])
    for content in (b"text", b"SQLite format 3\0" + bytes(200), (folder / "other.db").read_bytes()):
        target.write_bytes(content)
        refused("no backup")
    target.unlink()
    target.mkdir()
    refused("it is a folder")


def test_a_backup_that_was_used_as_the_ledger_is_none_any_more(folder: Path, ledger: Path, program: Program) -> None:
    write(ledger, folder / "backup.db")
    program.env["HARVESTER_LEDGER__URL"] = "sqlite:///backup.db"
    assert program.here("verify").returncode == 0
    assert is_backup(folder / "backup.db")
    assert program.here("retry").returncode == 0
    assert not is_backup(folder / "backup.db")


def test_a_ledger_that_is_not_consistent_replaces_no_good_backup(folder: Path, ledger: Path) -> None:
    target = folder / "backup.db"
    write(ledger, target)
    before = target.read_bytes()
    with closing(sqlite3.connect(ledger)) as db:
        db.execute("UPDATE video_states SET videos = videos + 1")
        db.commit()
    with pytest.raises(InconsistentLedger, match="was not backed up"):
        write(ledger, target)
    assert target.read_bytes() == before
    assert names(folder) == {"harvest.db", "backup.db"}


def test_what_a_killed_one_left_goes_and_what_is_being_made_stays(folder: Path, ledger: Path, program: Program) -> None:
    target = folder / "backup.db"
    write(ledger, target)
    before = target.read_bytes()
    child = program.start("ledger", "backup", "backup.db")
    wait_until(lambda: any(folder.glob(".backup.db.*")) or child.process.poll() is not None)
    child.kill()
    assert is_backup(target)
    assert len(target.read_bytes()) == len(before)

    left = folder / f".backup.db.left{module._DRAFT}"
    left.mkdir()
    (left / "backup.db").write_bytes(b"half")
    other = folder / f".backup.db.other{module._DRAFT}"
    other.mkdir()
    with module._locked(other):
        write(ledger, target)
        assert {path.name for path in folder.glob(".backup.db.*")} == {other.name}
    write(ledger, target)
    assert not any(folder.glob(".backup.db.*"))


def test_refusals_are_readable_and_leave_all_as_it_was(folder: Path, ledger: Path, program: Program) -> None:
    (folder / "songs.csv").write_text("song\n")
    program.env["HARVESTER_SOURCE__URI"] = "songs.csv"
    for target, words in {
        "harvest.db": "it is the ledger, which is never replaced",
        "songs.csv": "it is the source of the ids",
        "nowhere/backup.db": "can't be written: No such file or directory.",
    }.items():
        done = program.here("ledger", "backup", target)
        assert done.returncode == 3
        assert words in done.stderr
    assert program.here("ledger", "backup").returncode == 2
    ledger.unlink()
    assert "There is no ledger" in program.here("ledger", "backup", "backup.db").stderr
    assert not (folder / "backup.db").exists()
