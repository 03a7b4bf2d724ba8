"""Local publication: all of the new file, or all of the old one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester.config import ExportSettings
from harvester.errors import ConfigError, StorageUnavailable
from harvester.export.storage import local_draft
from harvester.export.storage.local import LocalTarget
from harvester.export.storage.open import target_at


def publish(path: Path, *chunks: bytes) -> None:
    LocalTarget(path).publish(chunks, content_type="application/json")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failing(error: BaseException) -> Iterator[bytes]:
    yield b"half"
    raise error


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_it_says_what_it_wrote(tmp_path: Path) -> None:
    published = LocalTarget(tmp_path / "a").publish([b"ab", b"", b"c"], content_type="text/plain")
    assert published.bytes == 3
    assert published.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert published.uri == str(tmp_path / "a")
    assert b"".join(LocalTarget(tmp_path / "a").read()) == b"abc"


@pytest.mark.parametrize("system", ["Linux", "macOS"])
def test_a_large_file_is_sent_to_the_disk_as_it_grows(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_draft, "_CACHED_BYTES", 10)
    advised: list[tuple[int, ...]] = []
    if system == "Linux":
        monkeypatch.setattr(os, "posix_fadvise", lambda _, *advice: advised.append(advice), raising=False)
    else:
        monkeypatch.delattr(os, "posix_fadvise", raising=False)
    publish(tmp_path / "songs.json", *[b"1234"] * 6)
    assert (tmp_path / "songs.json").read_bytes() == b"1234" * 6
    assert advised == ([(0, 0, os.POSIX_FADV_DONTNEED)] * 2 if system == "Linux" else [])


def test_a_reader_of_the_old_file_keeps_it(tmp_path: Path) -> None:
    publish(tmp_path / "a", b"old")
    with (tmp_path / "a").open("rb") as reader:
        publish(tmp_path / "a", b"new")
        assert reader.read() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"


def test_nothing_of_it_is_seen_before_it_is_whole(tmp_path: Path) -> None:
    def watching() -> Iterator[bytes]:
        for _ in range(3):
            yield bytes(2 << 20)
            assert (tmp_path / "a").read_bytes() == b"old"

    publish(tmp_path / "a", b"old")
    publish(tmp_path / "a", *watching())


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt(), OSError(5, "the ledger's disk")])
def test_what_the_chunks_raise_comes_out_and_the_old_file_stays(tmp_path: Path, error: BaseException) -> None:
    publish(tmp_path / "a", b"old")
    with pytest.raises(type(error)) as caught:
        LocalTarget(tmp_path / "a").publish(failing(error), content_type="text/plain")
    assert caught.value is error
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_the_draft_is_for_its_writer_alone(tmp_path: Path) -> None:
    modes = []

    def watching() -> Iterator[bytes]:
        yield b"x"
        modes.extend(path.stat().st_mode & 0o777 for path in tmp_path.iterdir())

    LocalTarget(tmp_path / "a").publish(watching(), content_type="text/plain")
    assert modes == [0o600]


@pytest.mark.usefixtures("umask")
def test_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    publish(tmp_path / "a", b"x")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_file_that_was_closed_to_others_stays_so(tmp_path: Path) -> None:
    publish(tmp_path / "a", b"x")
    (tmp_path / "a").chmod(0o600)
    publish(tmp_path / "a", b"y")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "real" / "b")
    publish(tmp_path / "a", b"x")
    publish(tmp_path / "a", b"y")
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "real" / "b").read_bytes() == b"y"


class TestAbandonedDrafts:
    def test_one_whose_writer_is_gone_is_removed(self, tmp_path: Path) -> None:
        (tmp_path / ".a.0123456789ab.harvester-draft").write_bytes(b"half")
        publish(tmp_path / "a", b"x")
        assert names(tmp_path) == ["a"]

    def test_one_whose_writer_lives_is_left_alone(self, tmp_path: Path) -> None:
        def exporting() -> Iterator[bytes]:
            yield b"first"
            publish(tmp_path / "a", b"second")
            assert (tmp_path / "a").read_bytes() == b"second"

        publish_first = LocalTarget(tmp_path / "a").publish
        publish_first(exporting(), content_type="text/plain")
        assert (tmp_path / "a").read_bytes() == b"first"
        assert names(tmp_path) == ["a"]

    def test_what_is_not_ours_is_left_alone(self, tmp_path: Path) -> None:
        others = [".a.json.swp", "a.harvester-draft", ".b.0123456789ab.harvester-draft"]
        for name in others:
            (tmp_path / name).write_bytes(b"")
        publish(tmp_path / "a", b"x")
        assert names(tmp_path) == sorted([*others, "a"])

    def test_a_draft_lost_between_its_birth_and_its_lock_is_made_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock = fcntl.flock
        drafts: list[Path] = []

        def slow_lock(fd: int, how: int) -> None:
            if not drafts:
                drafts.extend(tmp_path.iterdir())
                drafts[0].unlink()
            lock(fd, how)

        monkeypatch.setattr("harvester.export.storage.local_draft.fcntl.flock", slow_lock)
        publish(tmp_path / "a", b"x")
        assert (tmp_path / "a").read_bytes() == b"x"
        assert names(tmp_path) == ["a"]

    def test_a_file_system_without_locks_will_do(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_lock(fd: int, how: int) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr("harvester.export.storage.local_draft.fcntl.flock", no_lock)
        stale = tmp_path / ".a.0123456789ab.harvester-draft"
        stale.write_bytes(b"whose?")
        publish(tmp_path / "a", b"x")
        assert names(tmp_path) == [stale.name, "a"]


class TestPlacesThatWillNotDo:
    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="there is no folder"):
            publish(tmp_path / "no" / "a", b"x")

    @pytest.mark.parametrize("kind", ["folder", "pipe"])
    def test_what_is_no_file(self, tmp_path: Path, kind: str) -> None:
        (tmp_path / "a").mkdir() if kind == "folder" else os.mkfifo(tmp_path / "a")
        with pytest.raises(ConfigError, match="not a file"):
            publish(tmp_path / "a", b"x")

    def test_a_device(self) -> None:
        with pytest.raises(ConfigError, match="not a file"):
            publish(Path("/dev/null"), b"x")

    def test_the_ledger(self, tmp_path: Path) -> None:
        (tmp_path / "harvest.db").write_bytes(b"SQLite format 3\0...")
        with pytest.raises(ConfigError, match="a database"):
            publish(tmp_path / "harvest.db", b"x")
        assert (tmp_path / "harvest.db").read_bytes() == b"SQLite format 3\0..."

    def test_a_name_that_is_too_long(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="too long"):
            publish(tmp_path / ("a" * 300), b"x")

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (OSError(28, "No space left on device"), StorageUnavailable),
            (OSError(122, "Disk quota exceeded"), StorageUnavailable),
            (OSError(5, "Input/output error"), StorageUnavailable),
            (PermissionError(13, "Permission denied"), ConfigError),
            (OSError(30, "Read-only file system"), ConfigError),
        ],
    )
    def test_what_the_system_refuses_has_its_exit_code(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, kind: type[Exception]
    ) -> None:
        def refuse(*_: object) -> None:
            raise error

        publish(tmp_path / "a", b"old")
        monkeypatch.setattr("harvester.export.storage.local_draft.os.fsync", refuse)
        with pytest.raises(kind, match=error.strerror):
            publish(tmp_path / "a", b"x")
        assert (tmp_path / "a").read_bytes() == b"old"
        assert names(tmp_path) == ["a"]

    def test_reading_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="read"):
            list(LocalTarget(tmp_path).read())

    def test_reading_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            list(LocalTarget(tmp_path / "a").read())


def test_an_address_without_a_scheme_is_a_path(tmp_path: Path) -> None:
    target = target_at(str(tmp_path / "a.json"), ExportSettings())
    assert isinstance(target, LocalTarget)
    assert target.beside(".manifest.json").uri == str(tmp_path / "a.json.manifest.json")
