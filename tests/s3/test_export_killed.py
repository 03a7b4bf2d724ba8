"""Real exports of a real ledger to S3 that are killed, told to stop, and cut off from their credentials."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from children import Child, Program
from faulty_s3 import FaultyS3, Hold, refuse
from s3_kit import on_both, pair
from waiting import wait_until

if TYPE_CHECKING:
    from conftest import S3


@pytest.fixture
def old(s3: S3, crawled: Program) -> tuple[bytes, bytes]:
    """An older export, of two ids and one small part."""
    elsewhere = Program(crawled.folder)
    elsewhere.env["HARVESTER_LEDGER__URL"] = "sqlite:///older.db"
    assert elsewhere.here("load", "-", stdin=b"aaaaaaaaaaA\nbbbbbbbbbbE\n").returncode == 0
    assert elsewhere.here("export", uri(s3)).returncode == 0
    return pair(s3)


def uri(s3: S3) -> str:
    return f"s3://{s3.bucket}/deep/songs.json"


def cut_off(s3: S3, faulty: FaultyS3, crawled: Program) -> tuple[Child, Hold]:
    """An export whose second part is on its way, and does not arrive."""
    hold = Hold()
    faulty.on("part", hold, number=2, times=1)
    child = crawled.start("export", uri(s3))
    wait_until(hold.arrived.is_set)
    assert s3.uploads() == ["deep/songs.json"]
    return child, hold


def assert_the_next_export_succeeds(s3: S3, crawled: Program) -> None:
    again = crawled.here("export", uri(s3))
    assert again.returncode == 0, again.stderr
    verified = crawled.here("verify", "--export", uri(s3))
    assert verified.returncode == 0, verified.stderr
    assert len(pair(s3)[0]) > 16 << 20
    assert s3.uploads() == []


@on_both
def test_kill_9_leaves_an_upload_that_the_next_export_sweeps(
    s3: S3, faulty: FaultyS3, crawled: Program, old: tuple[bytes, bytes]
) -> None:
    child, hold = cut_off(s3, faulty, crawled)
    child.kill()
    hold.release()
    assert pair(s3) == old
    assert s3.uploads() == ["deep/songs.json"]
    assert_the_next_export_succeeds(s3, crawled)


@pytest.mark.parametrize(
    ("s3", "signal_number"), [("moto", signal.SIGTERM), ("rclone", signal.SIGINT)], indirect=["s3"]
)
def test_told_to_stop_it_takes_its_upload_back(
    s3: S3, faulty: FaultyS3, crawled: Program, old: tuple[bytes, bytes], signal_number: int
) -> None:
    child, hold = cut_off(s3, faulty, crawled)
    child.send(signal_number)
    hold.release()
    assert child.wait() == 128 + signal_number
    assert "Traceback" not in child.stderr
    assert pair(s3) == old
    assert s3.uploads() == []
    assert_the_next_export_succeeds(s3, crawled)


def test_credentials_that_expire_in_the_middle(
    s3: S3, faulty: FaultyS3, crawled: Program, old: tuple[bytes, bytes]
) -> None:
    faulty.on("part", refuse(403, "ExpiredToken"), number=2)
    faulty.on("abort", refuse(403, "ExpiredToken"))
    done = crawled.run("export", uri(s3))
    assert done.returncode == 3
    assert "ExpiredToken" in done.stderr
    assert "sign in again" in done.stderr
    assert pair(s3) == old
    faulty.heal()
    assert_the_next_export_succeeds(s3, crawled)
