"""The SQLite database on S3: streamed from where it is made, and whole or not there."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from children import Program
from faulty_s3 import FaultyS3, Hold
from s3_kit import on_both, pair
from waiting import wait_until

if TYPE_CHECKING:
    from conftest import S3

KEY = "deep/songs.db"


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, crawled: Program) -> Path:
    folder = tmp_path_factory.mktemp("temporary")
    crawled.env["SQLITE_TMPDIR"] = str(folder)
    return folder


@pytest.fixture(scope="module")
def local(harvested: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a local export of that ledger is."""
    program = Program(tmp_path_factory.mktemp("local"))
    program.env["HARVESTER_LEDGER__URL"] = f"sqlite:///{harvested}"
    assert program.here("export", "local.db").returncode == 0
    return (program.folder / "local.db").read_bytes()


@pytest.fixture
def old(s3: S3, crawled: Program) -> tuple[bytes, bytes]:
    """An older export, of ids that were not asked for yet."""
    elsewhere = Program(crawled.folder)
    elsewhere.env["HARVESTER_LEDGER__URL"] = "sqlite:///older.db"
    assert elsewhere.here("load", "-", stdin=b"aaaaaaaaaaA\nbbbbbbbbbbE\n").returncode == 0
    assert elsewhere.here("export", uri(s3)).returncode == 0
    return pair(s3, KEY)


def uri(s3: S3) -> str:
    return f"s3://{s3.bucket}/{KEY}"


@pytest.mark.parametrize("ending", ["csv.gz", "parquet", "db"])
def test_the_table_of_statistics_is_published_as_it_is_here(s3: S3, crawled: Program, ending: str) -> None:
    place = f"s3://{s3.bucket}/deep/statistics.{ending}"
    for where in (place, f"here.{ending}"):
        done = crawled.here("export", where, "--table", "statistics")
        assert done.returncode == 0, done.stderr
    assert pair(s3, f"deep/statistics.{ending}")[0] == (crawled.folder / f"here.{ending}").read_bytes()
    assert crawled.here("verify", "--export", place).returncode == 0


def assert_published(s3: S3, crawled: Program, temporary: Path, local: bytes) -> None:
    """The object is what a local export is."""
    done = crawled.here("export", uri(s3))
    assert done.returncode == 0, done.stderr
    assert pair(s3, KEY)[0] == local
    assert (s3.uploads(), list(temporary.iterdir())) == ([], [])


@on_both
def test_a_database_larger_than_a_part(s3: S3, crawled: Program, temporary: Path, local: bytes) -> None:
    assert_published(s3, crawled, temporary, local)
    assert len(local) > 12 << 20
    verified = crawled.here("verify", "--export", uri(s3))
    assert verified.returncode == 0, verified.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_is_cut_off_leaves_the_old_one(
    s3: S3,
    faulty: FaultyS3,
    crawled: Program,
    temporary: Path,
    local: bytes,
    old: tuple[bytes, bytes],
    number: int,
) -> None:
    hold = Hold()
    faulty.on("part", hold, number=2, times=1)
    child = crawled.start("export", uri(s3))
    wait_until(hold.arrived.is_set)
    child.send(number)
    hold.release()
    assert child.wait() == (-number if number == signal.SIGKILL else 128 + number)
    assert pair(s3, KEY) == old
    assert list(temporary.iterdir()) == []
    assert s3.uploads() == ([KEY] if number == signal.SIGKILL else [])
    assert_published(s3, crawled, temporary, local)


def test_damage_on_s3_is_found(s3: S3, crawled: Program, tmp_path: Path) -> None:
    assert crawled.here("export", uri(s3)).returncode == 0
    changed = tmp_path / "changed.db"
    changed.write_bytes(s3.content(KEY))
    with closing(sqlite3.connect(changed)) as db:
        db.execute("UPDATE videos SET statistics_viewCount = 0 WHERE rowid = 3")
        db.commit()
    s3.client.put_object(Bucket=s3.bucket, Key=KEY, Body=changed.read_bytes())
    reported = crawled.here("verify", "--export", uri(s3))
    assert (reported.returncode, "sha256" in reported.stderr) == (5, True), reported.stderr
