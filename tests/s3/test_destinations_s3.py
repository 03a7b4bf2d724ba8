"""Objects that harvester did not write: not replaced unless --force says so, and the source never."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from children import Program
from faulty_s3 import refuse
from s3_kit import KEY, NOW, findings, go, on_both, pair, parts, small_reader

from harvester.config import ExportSettings
from harvester.errors import DestinationRefused
from harvester.export import export

if TYPE_CHECKING:
    from conftest import S3
    from faulty_s3 import FaultyS3

MINE = b"my own work"
FOLDER = "deep/songs"


def put(s3: S3, key: str, data: bytes = MINE) -> None:
    s3.client.put_object(Bucket=s3.bucket, Key=key, Body=data)


def keys(s3: S3) -> list[str]:
    return sorted(entry["Key"] for entry in s3.client.list_objects_v2(Bucket=s3.bucket).get("Contents", []))


def forced(s3: S3, key: str, **settings: Any) -> None:
    chosen = ExportSettings(uri=f"s3://{s3.bucket}/{key}", region="eu-west-3", **settings)
    export(small_reader(), chosen, ledger_name="harvest.db", now=NOW, force=True)  # type: ignore[arg-type]


@on_both
class TestObjects:
    def test_one_of_somebody_else(self, s3: S3) -> None:
        put(s3, KEY)
        with pytest.raises(DestinationRefused, match="there is no manifest next to it") as caught:
            go(s3, small_reader())
        assert (caught.value.exit_code, s3.content(KEY), keys(s3)) == (3, MINE, [KEY])
        forced(s3, KEY)
        pair(s3)
        go(s3, small_reader())

    def test_a_manifest_that_is_none(self, s3: S3) -> None:
        put(s3, f"{KEY}.manifest.json")
        with pytest.raises(DestinationRefused, match="it is no manifest"):
            go(s3, small_reader())
        assert keys(s3) == [f"{KEY}.manifest.json"]

    def test_ours_whose_manifest_is_of_the_export_before(self, s3: S3) -> None:
        """As a kill leaves them."""
        go(s3, small_reader())
        manifest = s3.content(f"{KEY}.manifest.json")
        put(s3, f"{KEY}.manifest.json", manifest.replace(b'"bytes": ', b'"bytes": 1'))
        go(s3, small_reader())
        assert findings(s3, small_reader()) == []


def test_ours_that_has_no_manifest_says_so_itself(s3: S3) -> None:
    go(s3, small_reader())
    s3.client.delete_object(Bucket=s3.bucket, Key=f"{KEY}.manifest.json")
    go(s3, small_reader())
    pair(s3)


def test_a_copy_under_another_name_is_not_ours(s3: S3) -> None:
    go(s3, small_reader())
    s3.client.copy_object(Bucket=s3.bucket, Key="mine.json", CopySource=f"{s3.bucket}/{KEY}")
    with pytest.raises(DestinationRefused):
        go(s3, small_reader(), "mine.json")


def test_where_the_account_may_not_look_it_is_replaced_and_that_is_said(
    s3: S3, faulty: FaultyS3, caplog: pytest.LogCaptureFixture
) -> None:
    put(s3, KEY)
    for operation in ("get", "head"):
        faulty.on(operation, refuse(403, "AccessDenied"))
    with caplog.at_level(logging.WARNING):
        go(s3, small_reader())
    pair(s3)
    (message,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "may not read it" in message


@on_both
class TestFolders:
    def test_parts_of_somebody_else(self, s3: S3) -> None:
        put(s3, f"{FOLDER}/part-000000000001.json")
        with pytest.raises(DestinationRefused, match="there is no manifest next to it"):
            go(s3, small_reader(), FOLDER, max_part_bytes=100_000)
        assert keys(s3) == [f"{FOLDER}/part-000000000001.json"]
        forced(s3, FOLDER, max_part_bytes=100_000)
        go(s3, small_reader(), FOLDER, max_part_bytes=100_000)
        assert keys(s3) == [f"{FOLDER}.manifest.json", *parts(s3, FOLDER)]
        assert len(keys(s3)) == 2
        assert findings(s3, small_reader(), FOLDER) == []

    def test_a_part_that_was_put_beside_ours(self, s3: S3) -> None:
        go(s3, small_reader(), FOLDER, max_part_bytes=100_000)
        put(s3, f"{FOLDER}/part-000000000009.json")
        with pytest.raises(DestinationRefused, match="part-000000000009"):
            go(s3, small_reader(), FOLDER, max_part_bytes=100_000)


class TestCommands:
    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
    def test_the_source_is_never_replaced(self, s3: S3, crawled: Program, force: list[str]) -> None:
        put(s3, "deep/ids.csv")
        crawled.env |= {"HARVESTER_SOURCE__URI": f"s3://{s3.bucket}/deep/ids.csv"}
        commands = (["export", "S3://{}/deep/ids.csv"], ["status", "--html", "s3://{}//deep/ids.csv"])
        for command in (*commands, ["export", "s3://{}/deep", "--max-part-bytes", "100000"]):
            done = crawled.run(*(word.format(s3.bucket) for word in command), *force)
            assert (done.returncode, "never replaced" in done.stderr) == (3, True), done.stderr
        assert keys(s3) == ["deep/ids.csv"]

    @on_both
    def test_a_page(self, s3: S3, crawled: Program) -> None:
        put(s3, "page.html")
        place = f"s3://{s3.bucket}/page.html"
        done = crawled.run("status", "--html", place)
        assert (done.returncode, "did not write" in done.stderr) == (3, True), done.stderr
        assert s3.content("page.html") == MINE
        for force in (["--force"], []):
            done = crawled.run("status", "--html", place, *force)
            assert done.returncode == 0, done.stderr
