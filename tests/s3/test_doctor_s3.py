"""doctor and the bucket: something tiny is put there and taken away again, with the export's own settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from children import Program
from click.testing import CliRunner
from faulty_s3 import FaultyS3, refuse
from s3_kit import on_both

from harvester.cli.program import main
from harvester.ledger.sqlite.migrate import prepare

if TYPE_CHECKING:
    from conftest import S3


@pytest.fixture
def crawl(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Settings that name the bucket. S3's own server stands in for the API's host, which is asked for its time only."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", f"{s3.endpoint}/youtube/v3")
    monkeypatch.setenv("HARVESTER_EXPORT__REGION", "eu-west-3")
    monkeypatch.setenv("HARVESTER_EXPORT__URI", f"s3://{s3.bucket}/deep/songs.json")
    Path("config.toml").touch()
    prepare(tmp_path / "harvest.db")
    return monkeypatch


def doctor(exit_code: int) -> str:
    """The line about the export."""
    done = CliRunner().invoke(main, ["doctor"], prog_name="harvester")
    assert (done.exit_code, done.stderr) == (exit_code, "")
    (line,) = (line for line in done.stdout.splitlines() if line[9:19].strip() == "export")
    return line


def keys(s3: S3) -> list[str]:
    return [each["Key"] for each in s3.client.list_objects_v2(Bucket=s3.bucket).get("Contents", [])]


@on_both
def test_a_bucket_that_can_be_written(s3: S3, crawl: pytest.MonkeyPatch) -> None:
    assert doctor(0) == f"ok       export     s3://{s3.bucket}/deep/songs.json can be written."
    assert keys(s3) == []


def test_by_a_process_of_its_own(s3: S3, crawl: pytest.MonkeyPatch) -> None:
    done = Program(Path.cwd()).run("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert "songs.json can be written." in done.stdout
    assert keys(s3) == []


def test_what_another_wrote_is_found_and_left_alone(s3: S3, crawl: pytest.MonkeyPatch) -> None:
    s3.client.put_object(Bucket=s3.bucket, Key="deep/songs.json", Body=b"[]")
    assert "harvester did not write what stands there" in doctor(3)
    assert s3.content("deep/songs.json") == b"[]"
    assert keys(s3) == ["deep/songs.json"]


def test_a_folder_of_parts_in_a_bucket(s3: S3, crawl: pytest.MonkeyPatch) -> None:
    crawl.setenv("HARVESTER_EXPORT__URI", f"s3://{s3.bucket}/songs")
    crawl.setenv("HARVESTER_EXPORT__MAX_PART_BYTES", "1000000")
    assert doctor(0).startswith("ok ")
    assert keys(s3) == []


def test_a_bucket_that_is_not_there(s3: S3, crawl: pytest.MonkeyPatch) -> None:
    crawl.setenv("HARVESTER_EXPORT__URI", f"s3://{s3.bucket}-not/songs.json")
    line = doctor(3)
    assert line.startswith("problem ")
    assert "NoSuchBucket" in line
    assert line.endswith("Create the bucket, or fix export.uri.")


def test_an_account_that_may_not_write(crawl: pytest.MonkeyPatch, faulty: FaultyS3) -> None:
    faulty.on("put", refuse(403, "AccessDenied"))
    line = doctor(3)
    assert line.startswith("problem ")
    assert "s3:PutObject" in line


def test_an_account_that_may_not_remove(s3: S3, crawl: pytest.MonkeyPatch, faulty: FaultyS3) -> None:
    faulty.on("delete", refuse(403, "AccessDenied"))
    line = doctor(0)
    (left,) = keys(s3)
    assert line.startswith("warning ")
    assert f"s3://{s3.bucket}/{left} stays there" in line
    assert "s3:DeleteObject" in line
