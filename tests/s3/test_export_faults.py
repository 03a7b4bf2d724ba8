"""S3 on a bad day: what was published stays as it was, nothing is left behind, and the next export succeeds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from faulty_s3 import Action, FaultyS3, Hold, Request, error_in_200, lose_answer, refuse, reset, slow
from memory_reader import MemoryReader
from s3_kit import KEY, LEAST_PART, PART, QUARTER, findings, go, large_reader, on_both, pair, small_reader, target
from waiting import LIMIT_SECONDS

from harvester.errors import ConfigError, CredentialsError, HarvesterError, StorageUnavailable
from harvester.export.storage import s3_client
from harvester.export.storage.s3 import S3Target

if TYPE_CHECKING:
    from conftest import S3

PASSING: list[tuple[str, Action]] = [
    ("create", refuse(500, "InternalError")),
    ("part", refuse(500, "InternalError")),
    ("part", refuse(503, "SlowDown")),
    ("part", slow(1)),
    ("part", reset),
    ("part", lose_answer),
    ("complete", refuse(503, "SlowDown")),
    ("complete", error_in_200("InternalError")),
    ("complete", lose_answer),
]
LASTING: list[tuple[str, Action, type[HarvesterError]]] = [
    ("create", refuse(503, "SlowDown"), StorageUnavailable),
    ("part", refuse(500, "InternalError"), StorageUnavailable),
    ("part", refuse(503, "SlowDown"), StorageUnavailable),
    ("part", reset, StorageUnavailable),
    ("part", refuse(403, "ExpiredToken"), CredentialsError),
    ("part", refuse(400, "ExpiredToken"), CredentialsError),
    ("part", refuse(404, "NoSuchBucket"), ConfigError),
    ("complete", refuse(500, "InternalError"), StorageUnavailable),
    ("complete", error_in_200("InternalError"), StorageUnavailable),
    ("complete", reset, StorageUnavailable),
    ("complete", refuse(403, "ExpiredToken"), CredentialsError),
    ("put", refuse(503, "SlowDown"), StorageUnavailable),
]


def alternately(cases: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Each on one of the two servers in turn: the fault is the proxy's, whichever server is behind it."""
    return [(("moto", "rclone")[number % 2], *case) for number, case in enumerate(cases)]


def name(value: object) -> str | None:
    return getattr(value, "__qualname__", str(value)).split(".")[0]


@pytest.fixture(autouse=True)
def short_waits(small_parts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "_ATTEMPTS", 2)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.01)


@pytest.fixture
def large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MemoryReader:
    """Of several parts. What is to break off in the middle of one has to be more than sockets hold."""
    size = LEAST_PART if request.getfixturevalue("action") is reset else PART
    monkeypatch.setitem(S3Target.__init__.__kwdefaults__, "part_bytes", size)
    return large_reader(1, size)


@pytest.fixture
def old(s3: S3) -> tuple[bytes, bytes]:
    """An object and its manifest that stand there already."""
    go(s3, small_reader())
    return pair(s3)


def assert_the_next_export_succeeds(s3: S3, faulty: FaultyS3, reader: MemoryReader) -> None:
    faulty.heal()
    go(s3, reader)
    assert findings(s3, reader) == []
    assert s3.uploads() == []


@pytest.mark.parametrize(("s3", "operation", "action"), alternately(PASSING), ids=name, indirect=["s3"])
def test_a_passing_fault_is_healed(
    s3: S3, faulty: FaultyS3, old: tuple[bytes, bytes], large: MemoryReader, operation: str, action: Action
) -> None:
    faulty.on(operation, action, times=1)
    go(s3, large)
    assert findings(s3, large) == []
    assert s3.uploads() == []


@pytest.mark.parametrize(("s3", "operation", "action", "kind"), alternately(LASTING), ids=name, indirect=["s3"])
def test_a_lasting_fault_changes_nothing(
    s3: S3,
    faulty: FaultyS3,
    old: tuple[bytes, bytes],
    large: MemoryReader,
    operation: str,
    action: Action,
    kind: type[HarvesterError],
) -> None:
    faulty.on(operation, action)
    reader = small_reader() if operation == "put" else large
    with pytest.raises(kind) as caught:
        go(s3, reader)
    assert caught.value.exit_code == (4 if kind is StorageUnavailable else 3)
    assert pair(s3) == old
    assert s3.uploads() == []
    assert_the_next_export_succeeds(s3, faulty, reader)


def without_a_date(request: Request) -> None:
    status, headers, body = request.ask()
    request.answer(status, {name: value for name, value in headers if name.lower() != "last-modified"}, body)


@on_both
def test_a_store_need_not_say_when_an_object_was_changed(s3: S3, faulty: FaultyS3, old: tuple[bytes, bytes]) -> None:
    faulty.on("head", without_a_date)
    reader = MemoryReader(small_reader().stored[:2])
    go(s3, reader)
    assert pair(s3) != old
    for _ in range(2):
        go(s3, reader, "songs", max_part_bytes=40)
    assert findings(s3, reader) == findings(s3, reader, "songs") == []


@on_both
def test_where_not_even_the_abort_gets_through_the_next_export_sweeps(
    s3: S3, faulty: FaultyS3, old: tuple[bytes, bytes]
) -> None:
    for operation in ("part", "abort", "list"):
        faulty.on(operation, refuse(403, "ExpiredToken"))
    with pytest.raises(CredentialsError, match="ExpiredToken"):
        go(s3, large_reader(1))
    assert pair(s3) == old
    assert s3.uploads() == [KEY]
    assert_the_next_export_succeeds(s3, faulty, small_reader())


@on_both
def test_a_manifest_that_fails_is_owned_up_to(s3: S3, faulty: FaultyS3, old: tuple[bytes, bytes]) -> None:
    faulty.on("put", refuse(503, "SlowDown"))
    with pytest.raises(StorageUnavailable) as caught:
        go(s3, large_reader(1))
    assert "its manifest is not" in caught.value.state
    assert s3.content(KEY) != old[0]
    assert "not the file that its manifest speaks of" in "".join(findings(s3, large_reader(1)))
    assert_the_next_export_succeeds(s3, faulty, large_reader(2))


@on_both
class TestUploadsOfOthers:
    def test_only_those_to_the_very_key_are_swept(self, s3: S3, old: tuple[bytes, bytes]) -> None:
        for key in (KEY, f"{KEY}.bak", f"{KEY}/deeper", "deep/song"):
            s3.client.create_multipart_upload(Bucket=s3.bucket, Key=key)
        go(s3, small_reader())
        assert sorted(s3.uploads()) == sorted([f"{KEY}.bak", f"{KEY}/deeper", "deep/song"])

    def test_a_failed_export_sweeps_nothing(self, s3: S3, faulty: FaultyS3, old: tuple[bytes, bytes]) -> None:
        s3.client.create_multipart_upload(Bucket=s3.bucket, Key=KEY)
        faulty.on("part", refuse(500, "InternalError"))
        with pytest.raises(StorageUnavailable):
            go(s3, large_reader(1))
        assert s3.uploads() == [KEY]
        assert_the_next_export_succeeds(s3, faulty, large_reader(1))

    def test_an_account_that_may_not_list_them_exports_all_the_same(
        self, s3: S3, faulty: FaultyS3, old: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
    ) -> None:
        faulty.on("list", refuse(403, "AccessDenied"))
        with caplog.at_level(logging.DEBUG, logger="harvester.export"):
            go(s3, large_reader(1))
        assert findings(s3, large_reader(1)) == []
        assert any("AccessDenied" in message for message in caplog.messages)
        assert all(record.levelno <= logging.INFO for record in caplog.records)

    @pytest.mark.parametrize("code", ["AccessDenied", "NoSuchUpload"])
    def test_one_that_cannot_be_aborted_does_no_harm(self, s3: S3, faulty: FaultyS3, code: str) -> None:
        s3.client.create_multipart_upload(Bucket=s3.bucket, Key=KEY)
        faulty.on("abort", refuse(403 if code == "AccessDenied" else 404, code))
        go(s3, large_reader(1))
        assert findings(s3, large_reader(1)) == []
        assert_the_next_export_succeeds(s3, faulty, large_reader(1))


@on_both
class TestTwoAtOnce:
    def test_the_one_that_began_first_and_ends_first_is_left_alone(self, s3: S3) -> None:
        def chunks() -> Iterator[bytes]:
            yield b"b" * 9 * QUARTER
            first.join()
            assert s3.content("songs.json") == b"a" * 9 * QUARTER

        def begun() -> Iterator[bytes]:
            yield b"a" * 9 * QUARTER
            under_way.set()
            second_began.wait(LIMIT_SECONDS)

        under_way, second_began = threading.Event(), threading.Event()

        def publish_first() -> None:
            target(s3).publish(begun(), content_type="application/json")

        def noting() -> Iterator[bytes]:
            for chunk in chunks():
                second_began.set()
                yield chunk

        first = threading.Thread(target=publish_first)
        first.start()
        under_way.wait(LIMIT_SECONDS)
        target(s3).publish(noting(), content_type="application/json")
        assert s3.content("songs.json") == b"b" * 9 * QUARTER
        assert s3.uploads() == []

    def test_one_that_was_overtaken_does_not_put_the_older_state_back(self, s3: S3) -> None:
        def overtaken() -> Iterator[bytes]:
            yield b"older" * PART
            target(s3).publish([b"newer" * PART], content_type="application/json")

        # NoSuchUpload; moto's server says 500.
        with pytest.raises(StorageUnavailable, match="refused CompleteMultipartUpload"):
            target(s3).publish(overtaken(), content_type="application/json")
        assert s3.content("songs.json") == b"newer" * PART
        assert s3.uploads() == []


@on_both
def test_a_part_on_its_way_when_the_export_is_told_to_stop(s3: S3, faulty: FaultyS3) -> None:
    hold = Hold()
    faulty.on("part", hold, times=1)

    def interrupted() -> Iterator[bytes]:
        yield b"x" * 9 * QUARTER
        assert hold.arrived.wait(LIMIT_SECONDS)
        threading.Timer(0.2, hold.release).start()
        raise SystemExit(143)

    with pytest.raises(SystemExit):
        target(s3).publish(interrupted(), content_type="application/json")
    assert s3.uploads() == []
