"""Two exports to one place on S3: the one that is overtaken says so, and the object and its manifest fit each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from children import Program
from faulty_s3 import lose_answer
from memory_reader import MemoryReader
from s3_kit import KEY, findings, go, large_reader, on_both, pair, small_reader, stored

from harvester.errors import Overtaken, StorageUnavailable
from harvester.model import EVERYTHING, Span, StoredResponse

if TYPE_CHECKING:
    from conftest import S3
    from faulty_s3 import FaultyS3, Request

FOLDER = "deep/songs"
PARTS = {"max_part_bytes": 100_000}


class Interrupted(MemoryReader):
    """Something happens once its responses are read."""

    def __init__(self, reader: MemoryReader, happens: Callable[[], object]) -> None:
        super().__init__(reader.stored)
        self._happens: Callable[[], object] | None = happens

    def responses(self, span: Span = EVERYTHING) -> Iterator[StoredResponse]:
        yield from super().responses(span)
        if span.first == EVERYTHING.first and (happens := self._happens):
            self._happens = None
            happens()


def newer() -> MemoryReader:
    return MemoryReader([stored(n + 1, b'{"items": [{"id": "newer%d"}]}' % n) for n in range(4)])


@on_both
@pytest.mark.parametrize("before", [False, True], ids=["nothing there", "one before"])
@pytest.mark.parametrize("size", ["small", "large"])
def test_a_file(s3: S3, small_parts: None, before: bool, size: str) -> None:
    if before:
        go(s3, small_reader())
    reader = small_reader() if size == "small" else large_reader(1)
    with pytest.raises(Overtaken) as caught:
        go(s3, Interrupted(reader, lambda: go(s3, newer())))
    assert caught.value.exit_code == 4
    assert findings(s3, newer()) == []
    assert s3.uploads() == []


@on_both
@pytest.mark.parametrize("before", [False, True], ids=["nothing there", "one before"])
def test_a_folder(s3: S3, before: bool) -> None:
    if before:
        go(s3, MemoryReader(small_reader().stored[:1]), FOLDER, **PARTS)
    # The other one has taken back its uploads: NoSuchUpload, for which moto's server says 500.
    with pytest.raises(StorageUnavailable) as caught:
        go(s3, Interrupted(small_reader(), lambda: go(s3, newer(), FOLDER, **PARTS)), FOLDER, **PARTS)
    assert caught.value.exit_code == 4
    assert findings(s3, newer(), FOLDER) == []
    assert s3.uploads() == []


class At:
    """Something happens before the request that comes as number so many is passed on."""

    def __init__(self, number: int, happens: Callable[[], object]) -> None:
        self._left, self._happens = number, happens

    def __call__(self, request: Request) -> None:
        request.body()
        self._left -= 1
        if self._left == 0:
            self._happens()
        request.forward()


@pytest.mark.parametrize("number", [1, 2])
def test_between_the_last_look_and_the_write(s3: S3, faulty: FaultyS3, number: int) -> None:
    """Of the object (the first PUT) and of the manifest (the second): there the store itself says no."""
    go(s3, small_reader())
    faulty.on("put", At(number, lambda: go(s3, newer())))
    with pytest.raises(Overtaken):
        go(s3, small_reader())
    assert findings(s3, newer()) == []


def test_of_two_manifests_that_of_the_newer_object_stays(s3: S3, faulty: FaultyS3) -> None:
    """An older export's manifest gets in between a newer one's look and its write: the newer one looks again."""
    go(s3, small_reader())
    manifest = s3.content(f"{KEY}.manifest.json")
    other = {"Bucket": s3.bucket, "Key": f"{KEY}.manifest.json", "Body": manifest.replace(b"\n", b"\n\n", 1)}
    faulty.on("put", At(2, lambda: s3.client.put_object(**other)))
    go(s3, newer())
    assert findings(s3, newer()) == []


@pytest.mark.parametrize("number", [1, 2])
def test_an_answer_that_is_lost_is_no_other_export(
    s3: S3, faulty: FaultyS3, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.01)
    left = [number]

    def lose(request: Request) -> None:
        left[0] -= 1
        lose_answer(request) if left[0] == 0 else request.forward()

    faulty.on("put", lose)
    go(s3, small_reader())
    assert findings(s3, small_reader()) == []


def test_a_store_that_knows_no_conditions_is_asked_without(s3: S3, faulty: FaultyS3) -> None:
    def knows_none(request: Request) -> None:
        body = request.body()
        if any(name.lower() in ("if-match", "if-none-match") for name in request.headers):
            error = b"<Error><Code>NotImplemented</Code><Message>no conditions</Message></Error>"
            request.answer(501, {"Content-Type": "application/xml"}, error)
        else:
            assert body is not None
            request.forward()

    faulty.on("put", knows_none)
    for _ in range(2):
        go(s3, small_reader())
        pair(s3)


class TestProcesses:
    def test_several_at_once_leave_one_whole_result(self, s3: S3, harvester: Program, crawled: Program) -> None:
        place = f"s3://{s3.bucket}/songs.jsonl.gz"
        line = ["export", place, "--format", "jsonl", "--compression", "gzip"]
        children = [harvester.start(*line) for _ in range(3)]
        ended: list[Any] = [child.wait() for child in children]
        assert set(ended) <= {0, 4}, [child.stderr for child in children]
        assert 0 in ended
        done = harvester.here("verify", "--export", place)
        assert done.returncode == 0, done.stderr
