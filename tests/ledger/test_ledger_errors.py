"""What can be wrong with a ledger's file: each is said in a sentence with what to do, and leaves the file as it was."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import forks
import pytest
from ledger_kit import NOW, SqliteDatabase, a_batch, a_run, good, read, video_ids, write

from harvester.errors import HarvesterError, LedgerDamaged, LedgerUnavailable, LedgerUnusable
from harvester.ledger.ledger import Ledger
from harvester.ledger.sqlite import connection as sqlite_connection
from harvester.ledger.sqlite.migrate import check, prepare
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner

PROGRAM = Path(__file__).with_name("ledger_program.py")


Action = Callable[[Path], None]
LOOKS: list[Action] = [prepare, check]
ALL: list[Action] = [prepare, check, read, write]


def refused(action: Action, path: Path, kind: type[HarvesterError], exit_code: int) -> HarvesterError:
    with pytest.raises(kind) as caught:
        action(path)
    error = caught.value
    assert type(error) is kind
    assert error.exit_code == exit_code
    assert path.name in error.what
    assert error.what.endswith(".")
    assert error.next_step
    return error


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path)


@pytest.fixture
def unchanged(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Call it with a file: at the end of the test it is what it was, and nothing new lies next to it."""
    before: dict[Path, tuple[bytes, set[Path]]] = {}
    yield lambda path: before.update({path: (path.read_bytes(), set(path.parent.iterdir()))})
    assert before
    for path, (content, beside) in before.items():
        assert path.read_bytes() == content
        assert set(path.parent.iterdir()) == beside


# --- what is no ledger


@pytest.mark.parametrize("action", ALL)
@pytest.mark.parametrize("content", [b"video_id\nabc\n" * 100, b"SQLite format 3\0" + b"\xff" * 8000])
def test_what_is_no_database_is_refused(
    tmp_path: Path, unchanged: Callable[[Path], None], action: Action, content: bytes
) -> None:
    path = tmp_path / "ids.csv"
    path.write_bytes(content)
    unchanged(path)
    assert "is not a ledger" in refused(action, path, LedgerUnusable, 3).what


@pytest.mark.parametrize("action", LOOKS)
@pytest.mark.parametrize("table", ["songs", "alembic_version"])
def test_somebody_elses_database_is_refused_and_left_as_it_is(
    tmp_path: Path, unchanged: Callable[[Path], None], action: Action, table: str
) -> None:
    path = tmp_path / "music.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"CREATE TABLE {table} (version_num)")
        db.execute(f"INSERT INTO {table} VALUES ('0001')")
        db.commit()
    unchanged(path)
    assert "not a ledger" in refused(action, path, LedgerUnusable, 3).what


@pytest.mark.parametrize("action", [check, read])
def test_where_there_is_no_ledger_none_is_made(tmp_path: Path, action: Action) -> None:
    refused(action, tmp_path / "harvest.db", LedgerUnusable, 3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("action", ALL)
def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path, action: Action) -> None:
    with pytest.raises(LedgerUnusable) as caught:
        action(tmp_path / "nowhere" / "harvest.db")
    assert caught.value.next_step
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("action", LOOKS)
def test_a_folder_in_the_place_of_the_ledger_is_refused(tmp_path: Path, action: Action) -> None:
    path = tmp_path / "harvest.db"
    path.mkdir()
    refused(action, path, LedgerUnusable, 3)
    assert list(path.iterdir()) == []


def test_an_empty_file_is_no_ledger_yet(tmp_path: Path) -> None:
    path = tmp_path / "harvest.db"
    path.touch()
    assert "is empty" in refused(check, path, LedgerUnusable, 3).what
    prepare(path)
    check(path)


def test_odd_names_of_files_and_folders_are_only_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "été 100% ?mode=rw&#x=1"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for path in (folder / "my ledger?.db", Path("a%20b.db")):
        prepare(path)
        write(path)
        read(path)
        check(path)
    assert sorted(file.name for file in folder.glob("*.db")) == ["a%20b.db", "my ledger?.db"]


# --- damage


@pytest.fixture
def filled(database: SqliteDatabase) -> SqliteDatabase:
    async def fill() -> None:
        ledger = database.ledger(lambda _: True)
        await ledger.add(video_ids(6000), [], 0)
        run = await a_run(ledger)
        for _ in range(4):
            batch = await a_batch(ledger, run)
            await ledger.settle(batch, good(batch), NOW)
        await ledger.close()

    asyncio.run(fill())
    return database


def everything(path: Path) -> None:
    with SqliteReader(path) as reader:
        list(reader.states())
        list(reader.pending(50))
        list(reader.responses())


def overwrite_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(40_960)
        file.write(b"\xa5" * 200_000)


def cut_the_end(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [overwrite_the_middle, cut_the_end])
def test_a_damaged_file_is_told_from_an_unusable_one(filled: SqliteDatabase, damage: Callable[[Path], None]) -> None:
    damage(filled.path)
    before = filled.path.read_bytes()
    error = refused(everything, filled.path, LedgerDamaged, 5)
    assert "backup" in error.next_step
    assert filled.path.read_bytes() == before


@pytest.mark.parametrize("damage", [overwrite_the_middle, cut_the_end])
def test_verify_finds_damaged_pages(filled: SqliteDatabase, damage: Callable[[Path], None]) -> None:
    damage(filled.path)
    try:
        with SqliteReader(filled.path) as reader:
            found = reader.findings()
    except LedgerDamaged as error:
        found = [error.what]
    assert "damaged" in found[0]


def test_writing_to_a_damaged_file_is_refused(filled: SqliteDatabase) -> None:
    overwrite_the_middle(filled.path)

    def add_what_is_known(path: Path) -> None:
        async def go() -> None:
            async with Ledger(SqliteTransactionRunner(path)) as ledger:
                await ledger.add(video_ids(6000), [], 6000)

        asyncio.run(go())

    refused(add_what_is_known, filled.path, LedgerDamaged, 5)


# --- the world around it


def test_a_ledger_locked_for_too_long_is_worth_another_try(
    filled: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connection, "BUSY_TIMEOUT_SECONDS", 0.05)
    before = filled.dump()
    with closing(sqlite3.connect(filled.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        error = refused(write, filled.path, LedgerUnavailable, 4)
        assert error.worth_retrying
        assert "locked by another process" in error.what
        # Reading never waits, nor does making sure that it is up to date.
        for action in (prepare, check, everything):
            action(filled.path)
    assert filled.dump() == before
    write(filled.path)


def test_a_full_disk_is_worth_another_try_and_costs_nothing(database: SqliteDatabase) -> None:
    """The disk is a limit on the size of files; the same ledger continues once there is room."""
    env = os.environ | {"PYTHONWARNINGS": "error"}
    done = forks.run(PROGRAM, ("fill_disk", database.url), folder=database.path.parent, env=env)
    assert done.returncode == 0, done.stderr
    *added, full, after = done.stdout.splitlines()
    assert full.startswith("LedgerUnavailable 4 The ledger harvest.db could not be written")
    assert after == f"{(len(added) + 1) * 500} ids"
    with SqliteReader(database.path) as reader:
        assert reader.findings() == []
        assert reader.progress().total == (len(added) + 1) * 500


@pytest.fixture
def locked_away(tmp_path: Path) -> Iterator[Path]:
    """A folder with a ledger, whose permissions a test takes away."""
    folder = tmp_path / "locked away"
    folder.mkdir()
    prepare(folder / "harvest.db")
    yield folder
    folder.chmod(0o755)


def as_a_common_user(path: Path, *actions: str) -> list[str]:
    """What came of each action in a process without root's rights: `ok`, or the error, its exit code and sentence."""
    env = os.environ | {"PYTHONWARNINGS": "error"}
    done = forks.run(PROGRAM, ("try_actions", str(path), *actions), folder=PROGRAM.parent, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_read_only_file_can_be_read_and_not_written(locked_away: Path) -> None:
    path = locked_away / "harvest.db"
    locked_away.chmod(0o755)
    path.chmod(0o400)
    before = path.read_bytes()
    *reads, wrote = as_a_common_user(path, "check", "read", "prepare", "write")
    assert reads == ["ok", "ok", "ok"]
    assert wrote.startswith("LedgerUnusable 3 The ledger harvest.db cannot be written by this user.")
    assert path.read_bytes() == before


def test_a_file_that_may_not_be_read_is_refused(locked_away: Path) -> None:
    path = locked_away / "harvest.db"
    locked_away.chmod(0o755)
    path.chmod(0o000)
    results = as_a_common_user(path, "check", "read", "prepare", "write")
    assert [result.split()[:2] for result in results] == [["LedgerUnusable", "3"]] * 4


def test_in_a_read_only_folder_no_ledger_can_be_made(locked_away: Path) -> None:
    locked_away.chmod(0o555)
    (result,) = as_a_common_user(locked_away / "new.db", "prepare")
    assert result.startswith("LedgerUnusable 3 The ledger ")
    assert "cannot be written: Permission denied." in result
    assert [file.name for file in locked_away.iterdir()] == ["harvest.db"]


def test_a_ledger_in_a_read_only_folder_can_be_read_and_not_written(locked_away: Path) -> None:
    """SQLite could make no WAL next to it."""
    path = locked_away / "harvest.db"
    path.chmod(0o600)
    locked_away.chmod(0o555)
    before = path.read_bytes()
    *reads, wrote = as_a_common_user(path, "check", "read", "prepare", "write")
    assert reads == ["ok", "ok", "ok"]
    assert wrote.startswith("LedgerUnusable 3 ")
    assert (path.read_bytes(), list(locked_away.iterdir())) == (before, [path])


def test_the_ledger_is_its_owners_alone(tmp_path: Path) -> None:
    """It holds what the API gave to their key. So do the files next to it, whatever the umask."""
    before = os.umask(0)
    try:
        path = tmp_path / "harvest.db"
        prepare(path)

        async def modes() -> dict[str, int]:
            async with Ledger(SqliteTransactionRunner(path)) as ledger:
                await ledger.add(video_ids(10), [], 0)
                return {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}

        assert asyncio.run(modes()) == dict.fromkeys(["harvest.db", "harvest.db-wal", "harvest.db-shm"], 0o600)
    finally:
        os.umask(before)


def test_committed_means_on_disk_and_checked(database: SqliteDatabase) -> None:
    """FULL: a NORMAL commit survives a killed process, but not a power cut."""
    engine = sqlite_connection.writing_engine(database.path)
    with engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    engine.dispose()
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_an_error_that_is_none_of_these_is_a_bug_and_says_so(filled: SqliteDatabase) -> None:
    with pytest.raises(HarvesterError) as caught, sqlite_connection.ledger_errors(filled.path):
        sqlite3.connect(filled.path).execute("SELECT * FROM nonsense")
    assert type(caught.value) is HarvesterError
    assert caught.value.exit_code == 1
    assert "no such table: nonsense" in caught.value.what
