"""Exports to folders that others write to: other users, other exports, and what killed ones left."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from memory_reader import MemoryReader
from published import pages_of, reader_of
from waiting import wait_until

from harvester.config import ExportSettings
from harvester.errors import ConfigError, HarvesterError, Overtaken, StorageUnavailable
from harvester.export import check_published, export, verify
from harvester.export.storage import local, local_draft, local_parts_folder
from harvester.export.storage.local_draft import alone_in
from harvester.model import EVERYTHING, Span, StoredResponse
from harvester.support.atomic_write import replace_file

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
STRANGER = 12345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user, which takes root")
PLANTED = ".songs.0123456789ab.harvester-draft"


def reader(videos: int = 3) -> MemoryReader:
    return reader_of(pages_of([b'{"id": "%011d"}' % n for n in range(videos)]))


def go(place: Path, of: MemoryReader | None = None, **settings: Any) -> None:
    chosen = ExportSettings(uri=str(place), **settings)
    export(of or reader(), chosen, ledger_name="harvest.db", now=NOW)  # type: ignore[arg-type]


def parts(place: Path, of: MemoryReader | None = None) -> None:
    go(place, of, max_part_bytes=100_000)


EXPORTS = {"songs.json": go, "songs": parts}


def findings(place: Path, of: MemoryReader) -> list[str]:
    return check_published(str(place), of, ExportSettings())  # type: ignore[arg-type]


def seen(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Interrupted(MemoryReader):
    """Something happens while its responses are read."""

    def __init__(self, happens: Any) -> None:
        super().__init__(reader(4).stored)  # of which no part stands there already
        self._happens = happens

    def responses(self, span: Span = EVERYTHING) -> Iterator[StoredResponse]:
        yield from super().responses(span)
        if span.first == EVERYTHING.first and (happens := self._happens):
            self._happens = None
            happens()


@pytest.mark.parametrize("name", EXPORTS)
class TestTwoAtOnce:
    def test_the_one_that_is_overtaken_says_so(self, tmp_path: Path, name: str) -> None:
        place, newer = tmp_path / name, reader(5)
        with pytest.raises(Overtaken) as caught:
            EXPORTS[name](place, Interrupted(lambda: EXPORTS[name](place, newer)))
        assert caught.value.exit_code == 4
        assert findings(place, newer) == []
        assert seen(tmp_path) == [name, f"{name}.manifest.json"]

    def test_over_an_older_one_too(self, tmp_path: Path, name: str) -> None:
        place, newer = tmp_path / name, reader(5)
        EXPORTS[name](place)
        with pytest.raises(Overtaken):
            EXPORTS[name](place, Interrupted(lambda: EXPORTS[name](place, newer)))
        assert findings(place, newer) == []
        EXPORTS[name](place, newer)

    def test_one_that_is_between_its_data_and_its_manifest_is_waited_for(
        self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What stands there then is harvester's, though no manifest says so yet."""
        place, waits = tmp_path / name, Event()
        EXPORTS[name](place)

        lock_now = local_draft.lock

        def lock(fd: int, *, unsupported: bool) -> bool:
            ours = lock_now(fd, unsupported=unsupported)
            if not ours and unsupported:  # the folder's; a draft of another's is passed over
                waits.set()
            return ours

        first = {"songs.json": local, "songs": local_parts_folder}[name]
        put = first.replace_manifest

        def slowly(*arguments: Any) -> None:
            monkeypatch.setattr(first, "replace_manifest", put)
            following.append(pool.submit(EXPORTS[name], place, reader(7)))
            wait_until(lambda: waits.is_set() or following[0].done())
            put(*arguments)

        monkeypatch.setattr(local_draft, "lock", lock)
        monkeypatch.setattr(first, "replace_manifest", slowly)
        following: list[Future[None]] = []
        with ThreadPoolExecutor(1) as pool:
            EXPORTS[name](place, reader(5))
        following[0].result()
        assert findings(place, reader(7)) == []

    def test_a_lock_on_the_folder_that_never_ends(
        self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        EXPORTS[name](tmp_path / name)
        before = (tmp_path / f"{name}.manifest.json").read_bytes()
        monkeypatch.setattr("harvester.export.storage.local_draft.LOCK_SECONDS", 0.1)
        with alone_in(tmp_path), pytest.raises(HarvesterError, match="holds a lock") as caught:
            EXPORTS[name](tmp_path / name, reader(5))
        assert caught.value.exit_code == 4
        assert (tmp_path / f"{name}.manifest.json").read_bytes() == before
        assert findings(tmp_path / name, reader()) == []


class TestDraftsOfLongerNames:
    def test_the_last_copy_of_another_export_is_left_alone(self, tmp_path: Path) -> None:
        """As one that was killed between its two renames leaves it."""
        parts(tmp_path / "songs.parquet")
        draft = tmp_path / ".songs.parquet.0123456789ab.harvester-draft"
        draft.mkdir(0o700)
        (tmp_path / "songs.parquet").rename(draft / "old")
        parts(tmp_path / "songs")
        go(tmp_path / "songs.json")
        assert (draft / "old").is_dir()
        parts(tmp_path / "songs.parquet")
        assert findings(tmp_path / "songs.parquet", reader()) == []
        assert not draft.exists()

    @pytest.mark.parametrize("name", [".songs.json.part.0123456789ab.harvester-draft", ".songs.json.x.harvester-draft"])
    def test_of_a_file_too(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"half")
        go(tmp_path / "songs.json")
        assert (tmp_path / name).exists()


class TestPlantedFolders:
    @pytest.fixture
    def planted(self, tmp_path: Path) -> Path:
        """That others may write to, as one that another user made."""
        draft = tmp_path / "shared" / PLANTED
        draft.mkdir(parents=True)
        draft.chmod(0o777)
        return draft

    def test_no_file_is_made_where_a_planted_link_leads(self, planted: Path, tmp_path: Path) -> None:
        (planted / "lock").symlink_to(tmp_path / "elsewhere")
        parts(planted.parent / "songs")
        assert not (tmp_path / "elsewhere").exists()
        assert (planted / "lock").is_symlink()

    def test_a_planted_old_folder_is_not_published(self, planted: Path) -> None:
        (planted / "old").mkdir()
        (planted / "old" / "part-000000000001.json").write_bytes(b"[]")
        (planted / "old").chmod(0o777)
        parts(planted.parent / "songs")
        assert findings(planted.parent / "songs", reader()) == []
        assert (planted.parent / "songs").stat().st_mode & 0o022 == 0
        assert (planted / "old").is_dir()

    def test_a_link_that_is_named_as_a_draft(self, tmp_path: Path) -> None:
        (tmp_path / "shared").mkdir()
        (tmp_path / "precious").mkdir(0o700)
        (tmp_path / "shared" / PLANTED).symlink_to(tmp_path / "precious")
        parts(tmp_path / "shared" / "songs")
        assert seen(tmp_path / "precious") == []

    def test_a_draft_that_is_swapped_while_it_is_written(self, tmp_path: Path) -> None:
        shared, elsewhere = tmp_path / "shared", tmp_path / "elsewhere"
        shared.mkdir()
        (elsewhere / "new").mkdir(parents=True)

        def swap() -> None:
            (draft,) = shared.iterdir()
            draft.rename(shared / "away")
            draft.symlink_to(elsewhere)

        first = Interrupted(swap)
        parts(shared / "songs", first)
        assert seen(elsewhere / "new") == []
        assert findings(shared / "songs", reader(4)) == []


class TestPlantedFiles:
    @pytest.mark.parametrize("name", ["songs.json", "songs.json.manifest.json"])
    def test_links_that_are_named_as_drafts(self, tmp_path: Path, name: str) -> None:
        planted = tmp_path / f".{name}.0123456789ab.harvester-draft"
        planted.symlink_to(tmp_path / "elsewhere")
        go(tmp_path / "songs.json")
        assert planted.is_symlink()
        assert not (tmp_path / "elsewhere").exists()

    def test_a_pipe_does_not_hold_it_up(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / ".songs.json.0123456789ab.harvester-draft")
        go(tmp_path / "songs.json")

    def test_a_manifest_of_something_else_is_not_taken_for_the_right_one(self, tmp_path: Path) -> None:
        go(tmp_path / "songs.json")
        manifest = json.loads((tmp_path / "songs.json.manifest.json").read_bytes())
        (tmp_path / "songs.json.manifest.json").unlink()
        draft = tmp_path / ".songs.json.manifest.json.0123456789ab.harvester-draft"
        draft.write_text(json.dumps(manifest | {"sha256": "0" * 64}), encoding="utf-8")
        with pytest.raises(ConfigError, match="there is no manifest next to it"):
            go(tmp_path / "songs.json")


@as_root
class TestFilesOfOtherUsers:
    @pytest.mark.parametrize("name", EXPORTS)
    def test_a_link_is_not_followed(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).symlink_to(tmp_path / "elsewhere")
        os.lchown(tmp_path / name, STRANGER, STRANGER)
        with pytest.raises(ConfigError, match="another user made") as caught:
            EXPORTS[name](tmp_path / name)
        assert caught.value.exit_code == 3
        assert seen(tmp_path) == [name]

    def test_nor_is_one_of_metrics_or_units(self, tmp_path: Path) -> None:
        (tmp_path / "crawl.prom").symlink_to(tmp_path / "elsewhere")
        os.lchown(tmp_path / "crawl.prom", STRANGER, STRANGER)
        with pytest.raises(OSError, match="another user made"):
            replace_file(tmp_path / "crawl.prom", b"")
        assert seen(tmp_path) == ["crawl.prom"]

    @pytest.mark.parametrize("name", EXPORTS)
    def test_what_another_user_opened_to_all_does_not_stay_so(self, tmp_path: Path, name: str) -> None:
        EXPORTS[name](tmp_path / name)
        (tmp_path / name).chmod(0o777)
        os.chown(tmp_path / name, STRANGER, STRANGER)
        EXPORTS[name](tmp_path / name)
        assert (tmp_path / name).stat().st_mode & 0o022 == 0

    def test_a_draft_of_a_manifest_is_not_taken(self, tmp_path: Path) -> None:
        go(tmp_path / "songs.json")
        draft = tmp_path / ".songs.json.manifest.json.0123456789ab.harvester-draft"
        (tmp_path / "songs.json.manifest.json").rename(draft)
        os.chown(draft, STRANGER, STRANGER)
        with pytest.raises(ConfigError, match="there is no manifest next to it"):
            go(tmp_path / "songs.json")
        assert draft.exists()


@pytest.mark.parametrize("name", EXPORTS)
def test_a_proof_looks_anew_where_another_export_was_published_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Between the manifest and the file that it speaks of, where two names can't be read at once."""
    place, newer = tmp_path / name, reader(4)
    EXPORTS[name](place)
    read, times = verify._read_manifest, []

    def overtaken(target: Any) -> Any:
        manifest = read(target)
        if not times:
            EXPORTS[name](place, newer)
        times.append(1)
        return manifest

    monkeypatch.setattr(verify, "_read_manifest", overtaken)
    assert findings(place, newer) == []
    assert len(times) == 2


def test_a_proof_gives_up_where_exports_never_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, read, numbers = tmp_path / "songs.json", verify._read_manifest, iter(range(4, 100))
    go(place)

    def overtaken(target: Any) -> Any:
        manifest = read(target)
        go(place, reader(next(numbers)))
        return manifest

    monkeypatch.setattr(verify, "_read_manifest", overtaken)
    with pytest.raises(StorageUnavailable, match="One export after another"):
        findings(place, reader())
