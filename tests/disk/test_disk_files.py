"""What may lie where the ledger should: each command says what it is and what to do, and repairs nothing in silence."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from children import ForkedSimulator
from disk_kit import assert_says, fingerprints, harvester, here, load, ok

from harvester.app import Harvester
from harvester.config import isolated_config
from harvester.crawl.run_report import RunReport
from harvester.ledger.sqlite.migrate import REVISION
from harvester.simulator import make_ids
from harvester.support.secret import Secret

PAGE_BYTES = 8192
READING = [["status"], ["verify"], ["export", "out.json"]]
WRITING = [["init"], ["load", "more.txt"], ["run", "--max-calls", "2"]]
EVERYTHING = READING + WRITING

Place = Callable[[Path, bytes], None]
"""Puts something wrong where the ledger should be; the bytes are those of a good one."""


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with ForkedSimulator() as simulator:
        yield simulator.base_url


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, base_url: str) -> bytes:
    """A ledger in mid-crawl, in one file."""
    folder = tmp_path_factory.mktemp("good")
    load(folder, make_ids(1, 1_500))
    ledger = {"url": f"sqlite:///{folder / 'harvest.db'}"}
    config = isolated_config({"ledger": ledger, "youtube": {"base_url": base_url}})
    asyncio.run(Harvester(config, key=Secret("any")).run(RunReport(), max_calls=10))
    return (folder / "harvest.db").read_bytes()


@pytest.fixture
def folder(tmp_path: Path, base_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings, a source and an API that works: only the ledger is wrong."""
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", base_url)
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    (tmp_path / "config.toml").touch()
    (tmp_path / "more.txt").write_text("\n".join(make_ids(2, 100)), encoding="ascii")
    return tmp_path


def try_each(folder: Path, commands: list[list[str]]) -> dict[str, CompletedProcess[str]]:
    """What each command said. None of them changed a file."""
    before = fingerprints(folder)
    results = {}
    for command in commands:
        results[" ".join(command)] = here(folder, *command)
        assert fingerprints(folder) == before, command
    return results


# --- what is no ledger


def a_text(path: Path, _: bytes) -> None:
    path.write_text("user,song\n1,dQw4w9WgXcQ\n" * 300, encoding="ascii")


def a_zeroed_header(path: Path, good: bytes) -> None:
    path.write_bytes(bytes(100) + good[100:])


def a_database_of_another_program(path: Path, _: bytes) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE songs (id TEXT)")
        db.execute("INSERT INTO songs VALUES ('dQw4w9WgXcQ')")
        db.commit()


def a_database_of_another_program_that_uses_alembic(path: Path, _: bytes) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE alembic_version (version_num TEXT)")
        db.execute("INSERT INTO alembic_version VALUES (?)", (REVISION,))
        db.commit()


def a_folder(path: Path, _: bytes) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    "place",
    [
        a_text,
        a_zeroed_header,
        a_database_of_another_program,
        a_database_of_another_program_that_uses_alembic,
        a_folder,
    ],
)
def test_what_is_no_ledger_is_left_alone(folder: Path, good: bytes, place: Place) -> None:
    place(folder / "harvest.db", good)
    for done in try_each(folder, EVERYTHING).values():
        assert_says(done, 3, "harvest.db", " not ")


# --- what was a ledger


def cut_in_half(path: Path, good: bytes) -> None:
    path.write_bytes(good[: len(good) // 2 + 1000])


def cut_to_less_than_a_page(path: Path, good: bytes) -> None:
    path.write_bytes(good[:1500])


def with_a_scrambled_schema(path: Path, good: bytes) -> None:
    path.write_bytes(good[:100] + b"\xb7\xe5" * 950 + good[2000:])


def with_a_table_lost(path: Path, good: bytes) -> None:
    path.write_bytes(good)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP VIEW calls_readable")
        db.execute("ALTER TABLE responses RENAME TO answers")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def without_a_version(path: Path, good: bytes) -> None:
    path.write_bytes(good)
    change(path, "DELETE FROM alembic_version")


def emptied_beside_its_wal(path: Path, _: bytes) -> None:
    path.write_bytes(b"")
    path.with_name("harvest.db-wal").write_bytes(b"\x37\x7f\x06\x82" * 2000)


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()


@pytest.mark.parametrize(
    "place",
    [
        cut_in_half,
        cut_to_less_than_a_page,
        with_a_scrambled_schema,
        with_a_table_lost,
        without_a_version,
        emptied_beside_its_wal,
    ],
)
def test_a_ledger_that_cannot_be_read_is_damaged_and_left_alone(folder: Path, good: bytes, place: Place) -> None:
    place(folder / "harvest.db", good)
    for done in try_each(folder, EVERYTHING).values():
        assert_says(done, 5, "harvest.db", "Restore", "backup")


def test_damage_within_is_told_as_soon_as_it_is_met_and_never_repaired(folder: Path, good: bytes) -> None:
    """A run, which has written its own row by then, may change the file; nothing mends it."""
    damaged = bytearray(good)
    for start in range(5 * PAGE_BYTES + 300, len(damaged) - 1000, 4 * PAGE_BYTES):
        damaged[start : start + 1000] = b"\xff" * 1000
    (folder / "harvest.db").write_bytes(damaged)
    results = try_each(folder, READING)
    # verify lists all that it finds.
    assert results["verify"].returncode == 5
    assert " is damaged: " in results["verify"].stderr
    assert_says(results["export out.json"], 5, "damaged")
    assert not (folder / "out.json").exists()
    for command in WRITING:
        done = harvester(folder, *command)
        if done.returncode:
            assert_says(done, 5, "harvest.db is damaged", "Nothing was repaired", "backup")
    assert harvester(folder, "verify").returncode == 5


def test_a_damaged_body_is_found_by_its_checksum(folder: Path, good: bytes) -> None:
    """Its page is whole for SQLite; verify and export see it, and what has nothing to do with it works."""
    path = folder / "harvest.db"
    path.write_bytes(good)
    # The third page of the body, which is nothing but its bytes.
    with closing(sqlite3.connect(path)) as db:
        (body,) = db.execute("SELECT body FROM responses WHERE call_id = 3").fetchone()
    at = good.index(body[9_000:9_100])
    path.write_bytes(good[:at] + b"?" + good[at + 1 :])
    results = try_each(folder, READING)
    assert_says(results["verify"], 5, "call 3", "checksum", "Nothing was changed")
    assert_says(results["export out.json"], 5, "call 3", "checksum")
    assert results["status"].returncode == 0
    ok(folder, "run", "--max-calls", "2")
    assert_says(harvester(folder, "verify"), 5, "call 3", "checksum")


def test_a_wal_of_something_else_is_not_taken_in(folder: Path, good: bytes) -> None:
    (folder / "harvest.db").write_bytes(good)
    (folder / "harvest.db-wal").write_bytes(b"not a write-ahead log" * 3_000)
    for command in (["verify"], ["run", "--max-calls", "2"], ["verify"]):
        ok(folder, *command)


# --- an older, a newer one, and none at all


@pytest.mark.parametrize(("version", "words"), [("9999", "by a newer harvester"), ("0000", "by another harvester")])
def test_a_ledger_of_another_version_is_left_alone(folder: Path, good: bytes, version: str, words: str) -> None:
    path = folder / "harvest.db"
    path.write_bytes(good)
    change(path, f"UPDATE alembic_version SET version_num = '{version}'")
    for done in try_each(folder, EVERYTHING).values():
        assert_says(done, 3, f"version {version}", words, "Upgrade harvester", "left as it is")


def test_an_empty_file_is_a_ledger_to_be(folder: Path) -> None:
    (folder / "harvest.db").touch()
    for done in try_each(folder, [*READING, ["run"]]).values():
        assert_says(done, 3, "is empty", "harvester init")
    ok(folder, "init")
    ok(folder, "verify")


def test_where_there_is_no_folder_none_is_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_LEDGER__URL", f"sqlite:///{folder}/nowhere/harvest.db")
    for done in try_each(folder, EVERYTHING).values():
        assert_says(done, 3, "nowhere")
    assert not (folder / "nowhere").exists()


def test_a_ledger_whose_making_was_cut_off_is_made(folder: Path) -> None:
    """Between the first page and the end of its journal: until that is undone, nobody can read the file."""
    path = folder / "harvest.db"
    half_made(path)
    for done in try_each(folder, [*READING, ["run"]]).values():
        assert_says(done, 3, "cut off", "harvester init")
    ok(folder, "init")
    ok(folder, "verify")


def half_made(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    journal = bytes.fromhex("d9d505f920a163d7") + bytes(4) + b"nonce"[:4] + bytes(4)
    journal += (512).to_bytes(4, "big") + (4096).to_bytes(4, "big")
    path.with_name("harvest.db-journal").write_bytes(journal.ljust(512, b"\0"))
