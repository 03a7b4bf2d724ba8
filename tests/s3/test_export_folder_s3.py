"""Folders of parts on S3: they appear together, no old part stays behind, and no other's file or upload is touched."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from children import Program
from crawled_ledger import crawled_ledger, in_order
from faulty_s3 import FaultyS3, Hold, lose_answer, refuse
from memory_reader import MemoryReader
from s3_kit import NOW, findings, go, large_reader, on_both, parts, small_reader, stored
from waiting import wait_until

from harvester.config import ExportSettings
from harvester.errors import (
    ConfigError,
    CredentialsError,
    ExportIncomplete,
    LedgerDamaged,
    Overtaken,
    StorageUnavailable,
)
from harvester.export import export
from harvester.export.storage import s3_client
from harvester.export.storage.s3 import S3Target
from harvester.export.storage.s3_parts_folder import S3Folder
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.model import Body, StoredResponse

if TYPE_CHECKING:
    from conftest import S3

FOLDER = "deep/songs"
NAME = re.compile(re.escape(FOLDER) + "/part-([0-9]{12})-[0-9a-f]{16}.json")
MANIFEST = f"{FOLDER}.manifest.json"
JSONL: dict[str, Any] = {"format": "jsonl", "max_part_bytes": 300_000}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "_ATTEMPTS", 2)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.01)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "harvest.db"
    crawled_ledger(path, 200, in_order(200))
    return path


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteReader]:
    """The same crawl, half way."""
    path = tmp_path_factory.mktemp("older") / "harvest.db"
    crawled_ledger(path, 200, in_order(100))
    with SqliteReader(path) as reader:
        yield reader


@pytest.fixture
def reader() -> MemoryReader:
    return small_reader()


def publish(s3: S3, reader: MemoryReader, most: int = 40) -> None:
    """A response a part, unless more is let in."""
    go(s3, reader, FOLDER, max_part_bytes=most)


def everything(s3: S3) -> dict[str, bytes]:
    listed = s3.client.list_objects_v2(Bucket=s3.bucket).get("Contents", [])
    return {entry["Key"]: s3.content(entry["Key"]) for entry in listed}


@on_both
def test_the_parts_and_the_manifest_beside_them(s3: S3, reader: MemoryReader) -> None:
    publish(s3, reader)
    keys = parts(s3, FOLDER)
    assert [match and int(match[1]) for match in map(NAME.fullmatch, keys)] == [1, 2, 3]
    assert sorted(everything(s3)) == sorted([*keys, MANIFEST])
    responses = [response for key in keys for response in json.loads(s3.content(key))]
    assert responses == [json.loads(gzip.decompress(response.body.data)) for response in reader.stored]
    manifest = json.loads(s3.content(MANIFEST))
    assert (manifest["file"], [part["file"] for part in manifest["parts"]]) == (
        "songs",
        [key.rpartition("/")[2] for key in keys],
    )
    assert [part["sha256"] for part in manifest["parts"]] == [
        hashlib.sha256(s3.content(key)).hexdigest() for key in keys
    ]
    assert findings(s3, reader, FOLDER) == findings(s3, reader, f"{FOLDER}/") == []
    assert s3.uploads() == []


@on_both
def test_fewer_parts_leave_no_old_one_behind(s3: S3, reader: MemoryReader) -> None:
    publish(s3, reader)
    first = parts(s3, FOLDER)[0]
    fewer = MemoryReader(reader.stored[:1])
    publish(s3, fewer)
    assert sorted(everything(s3)) == sorted([first, MANIFEST])
    assert findings(s3, fewer, FOLDER) == []


def test_parts_that_are_sent_in_several_requests(s3: S3) -> None:
    reader = large_reader(3)
    publish(s3, reader, 10 << 20)
    assert findings(s3, reader, FOLDER) == []
    assert s3.uploads() == []


@pytest.mark.parametrize("foreign", ["notes.txt", "deeper/part-000000000001.json"])
def test_files_of_others_are_refused_and_untouched(s3: S3, reader: MemoryReader, foreign: str) -> None:
    s3.client.put_object(Bucket=s3.bucket, Key=f"{FOLDER}/{foreign}", Body=b"dear to somebody")
    before = everything(s3)
    with pytest.raises(ConfigError, match="no part of an export") as caught:
        publish(s3, reader)
    assert caught.value.exit_code == 3
    assert everything(s3) == before


def test_neighbours_with_a_longer_name_are_no_foreigns(s3: S3, reader: MemoryReader) -> None:
    s3.client.put_object(Bucket=s3.bucket, Key=f"{FOLDER}-of-2025/notes.txt", Body=b"x")
    publish(s3, reader)
    assert findings(s3, reader, FOLDER) == []


@on_both
def test_verify_tells_what_was_done_to_a_part(s3: S3, reader: MemoryReader) -> None:
    publish(s3, reader)
    keys = parts(s3, FOLDER)
    first, second = s3.content(keys[0]), s3.content(keys[1])
    s3.client.put_object(Bucket=s3.bucket, Key=keys[0], Body=second)
    assert "is not the file that its manifest speaks of" in "".join(findings(s3, reader, FOLDER))
    s3.client.put_object(Bucket=s3.bucket, Key=keys[0], Body=first)
    s3.client.delete_object(Bucket=s3.bucket, Key=keys[2])
    assert "no file at" in "".join(findings(s3, reader, FOLDER))
    publish(s3, reader)
    s3.client.put_object(Bucket=s3.bucket, Key=f"{FOLDER}/part-000000000009.json", Body=first)
    assert "of which its manifest does not speak" in "".join(findings(s3, reader, FOLDER))


@on_both
def test_damage_in_the_last_part_publishes_none_of_them(s3: S3, reader: MemoryReader) -> None:
    publish(s3, reader)
    before = everything(s3)
    bad = stored(7, b'{"items": []}')
    reader.stored = [stored(1, b'{"items": [{"id": "new"}]}'), *reader.stored[1:]]
    reader.stored.append(StoredResponse(7, 7, Body(bad.body.data, "gzip", 13, bytes(32), 0), bad.fetched_at))
    with pytest.raises(LedgerDamaged, match="call 7"):
        publish(s3, reader)
    assert everything(s3) == before
    assert s3.uploads() == []


def test_an_incomplete_crawl(s3: S3) -> None:
    reader = MemoryReader(small_reader().stored, pending=2)
    chosen = ExportSettings(uri=f"s3://{s3.bucket}/{FOLDER}", max_part_bytes=40)
    with pytest.raises(ExportIncomplete) as caught:
        export(reader, chosen, ledger_name="l", now=NOW, require_complete=True)  # type: ignore[arg-type]
    assert caught.value.exit_code == 5
    assert everything(s3) == {}
    publish(s3, reader)
    assert json.loads(s3.content(MANIFEST))["complete"] is False


@on_both
class TestUploadsOfOthers:
    def test_only_those_of_parts_are_swept(self, s3: S3, reader: MemoryReader) -> None:
        others = [
            f"{FOLDER}/video.mp4",
            f"{FOLDER}/deeper/part-000000000001.json",
            f"{FOLDER}-2/part-000000000001.json",
        ]
        for key in (f"{FOLDER}/part-000000000777.json.gz", f"{FOLDER}/part-000000000001-{16 * 'a'}.json", *others):
            s3.client.create_multipart_upload(Bucket=s3.bucket, Key=key)
        publish(s3, reader)
        assert sorted(s3.uploads()) == sorted(others)


class TestFaults:
    def test_a_part_that_is_refused_changes_nothing(self, s3: S3, faulty: FaultyS3, reader: MemoryReader) -> None:
        publish(s3, reader)
        before = everything(s3)
        reader.stored[0] = stored(1, b'{"items": [{"id": "new"}]}')
        faulty.on("part", refuse(403, "ExpiredToken"))
        with pytest.raises(CredentialsError):
            publish(s3, reader)
        assert everything(s3) == before
        assert s3.uploads() == []

    def test_a_manifest_that_may_not_be_removed_changes_nothing(
        self, s3: S3, faulty: FaultyS3, reader: MemoryReader
    ) -> None:
        publish(s3, reader)
        before = everything(s3)
        reader.stored[0] = stored(1, b'{"items": [{"id": "new"}]}')
        faulty.on("delete", refuse(403, "AccessDenied"))
        with pytest.raises(CredentialsError, match="DeleteObject") as caught:
            publish(s3, reader)
        assert "s3:DeleteObject" in caught.value.next_step
        assert everything(s3) == before
        assert s3.uploads() == []

    @on_both
    def test_a_completion_that_fails_changes_nothing(self, s3: S3, faulty: FaultyS3, reader: MemoryReader) -> None:
        publish(s3, reader)
        before = everything(s3)
        reader.stored[0] = stored(1, b'{"items": [{"id": "new"}]}')
        faulty.on("complete", refuse(403, "AccessDenied"), times=1)
        with pytest.raises(CredentialsError, match="as it was"):
            publish(s3, reader)
        assert everything(s3) == before
        assert s3.uploads() == []
        publish(s3, reader)
        assert findings(s3, reader, FOLDER) == []

    @on_both
    def test_a_completion_whose_answer_is_lost(self, s3: S3, faulty: FaultyS3, reader: MemoryReader) -> None:
        faulty.on("complete", lose_answer, times=1)
        publish(s3, reader)
        assert findings(s3, reader, FOLDER) == []

    def test_an_account_that_may_not_list_the_folder(self, s3: S3, faulty: FaultyS3, reader: MemoryReader) -> None:
        faulty.on("get", refuse(403, "AccessDenied"))
        with pytest.raises(CredentialsError, match="ListObjectsV2") as caught:
            publish(s3, reader)
        assert "s3:ListBucket" in caught.value.next_step
        assert everything(s3) == {}

    def test_a_faltering_store(self, s3: S3, faulty: FaultyS3, reader: MemoryReader) -> None:
        faulty.on("complete", refuse(503, "SlowDown"))
        with pytest.raises(StorageUnavailable) as caught:
            publish(s3, reader)
        assert caught.value.exit_code == 4
        assert s3.uploads() == []


class TestProcesses:
    @pytest.fixture
    def crawled(self, harvester: Program, ledger: Path) -> Iterator[SqliteReader]:
        shutil.copy(ledger, harvester.folder / "harvest.db")
        with SqliteReader(ledger) as reader:
            yield reader

    @pytest.mark.parametrize(
        ("s3", "number"),
        [("moto", signal.SIGTERM), ("moto", signal.SIGKILL), ("rclone", signal.SIGKILL)],
        indirect=["s3"],
    )
    def test_ended_while_parts_are_sent(
        self, s3: S3, faulty: FaultyS3, harvester: Program, crawled: SqliteReader, older: SqliteReader, number: int
    ) -> None:
        go(s3, older, FOLDER, **JSONL)  # type: ignore[arg-type]
        before = everything(s3)
        hold = Hold()
        faulty.on("part", Later(hold, 2))
        child = harvester.start(*line(s3))
        wait_until(hold.arrived.is_set)
        assert len(s3.uploads()) == 2
        child.send(number)
        hold.release()
        assert child.wait() == (128 + number if number == signal.SIGTERM else -number)
        assert everything(s3) == before
        assert len(s3.uploads()) == (0 if number == signal.SIGTERM else 2)
        faulty.heal()
        go(s3, crawled, FOLDER, **JSONL)  # type: ignore[arg-type]
        assert findings(s3, crawled, FOLDER) == []  # type: ignore[arg-type]
        assert s3.uploads() == []

    def test_two_at_once_leave_one_whole_result(self, s3: S3, harvester: Program, crawled: SqliteReader) -> None:
        children = [harvester.start(*line(s3)) for _ in range(2)]
        ended = [child.wait() for child in children]
        # One that was overtaken says so, and is to be run again.
        assert set(ended) <= {0, 4}, [child.stderr for child in children]
        assert 0 in ended
        assert findings(s3, crawled, FOLDER) == []  # type: ignore[arg-type]
        assert s3.uploads() == []


def test_one_that_comes_while_parts_change_is_overtaken_and_disturbs_nothing(s3: S3) -> None:
    folder, name = S3Folder(s3.bucket, FOLDER), "part-000000000001.json"
    with folder.draft() as first, folder.draft() as second:
        for draft in (first, second):
            draft.keep(name, draft.place(name, content_type="").write([b"[]"], expected_bytes=2))
        appear = first._appear

        def meanwhile() -> None:
            with pytest.raises(Overtaken):
                second.commit(b"second", [name])
            appear()

        first._appear = meanwhile  # type: ignore[method-assign]
        first.commit(b"first", [name])
    assert everything(s3) == {f"{FOLDER}/{name}": b"[]", MANIFEST: b"first"}


def line(s3: S3) -> list[str]:
    return ["export", f"s3://{s3.bucket}/{FOLDER}", "--format", "jsonl", "--max-part-bytes", "300000"]


class Later:
    """Holds the request that comes as number so many; lets the ones before pass."""

    def __init__(self, hold: Hold, number: int) -> None:
        self._hold, self._left = hold, number

    def __call__(self, request: Any) -> None:
        self._left -= 1
        if self._left == 0:
            self._hold(request)
        else:
            request.forward()


def test_an_upload_whose_beginning_was_interrupted_is_taken_back(
    s3: S3, reader: MemoryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Ctrl-C, before the answer with its id was read."""
    begin = S3Target.begin

    def interrupted(target: S3Target, *arguments: Any) -> None:
        begin(target, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(S3Target, "begin", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish(s3, reader)
    assert not s3.uploads()
