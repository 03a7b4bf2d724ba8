"""A folder of parts that is exported to again and again: what changed is written; readers see one set or another."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from crawled_ledger import NOW, crawled_ledger, in_order
from waiting import wait_until

from harvester.config import ExportSettings
from harvester.errors import Overtaken
from harvester.export import Manifest, check_published, export
from harvester.export.formats.registry import FORMATS
from harvester.export.part_writer import NextOrder, PartOrder, PartResult, make_here
from harvester.export.storage.local_draft import DRAFT_SUFFIX, open_folder
from harvester.ledger.reader import LedgerReader
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.support.progress_callback import ProgressCallback

VIDEOS = 250
DAYS = (100, 150, 250)
MOST = {"json": 100_000, "jsonl": 100_000, "parquet": 90_000, "csv": 60_000, "csv-safe": 60_000}
JSONL = ("jsonl", "none")
Files = dict[str, bytes]
# A format's own bytes, and each compression: of responses, and of rows.
KINDS = [kind for kind, form in FORMATS.items() if kind[0] in ("json", "jsonl") or form.suffix in (".csv", ".parquet")]
every_format = pytest.mark.parametrize("kind", KINDS, ids="-".join)


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same crawl, after each of a few days."""
    folder = tmp_path_factory.mktemp("days")
    for fetched in DAYS:
        crawled_ledger(folder / str(fetched), VIDEOS, in_order(fetched))
    return [folder / str(fetched) for fetched in DAYS]


@pytest.fixture
def ledger(days: list[Path], tmp_path: Path) -> Path:
    return Path(shutil.copy(days[-1], tmp_path / "harvest.db"))


class Watched:
    """Makes parts in this process; `names` are those that were made."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.tried = 0

    def __call__(
        self, reader: LedgerReader, next_order: NextOrder, watch: ProgressCallback
    ) -> Generator[tuple[PartOrder, PartResult | None], None, None]:
        for order, made in make_here(reader, next_order, watch):
            self.tried += 1
            self.names += [order.name] if made else []
            yield order, made


def go(ledger: Path, folder: Path, kind: tuple[str, str] = JSONL, **options: Any) -> tuple[Manifest, list[str]]:
    """The manifest, and what was made for it."""
    maker = options.pop("maker", None) or Watched()
    most = MOST[kind[0]] if kind[1] == "none" else MOST[kind[0]] // 2
    settings = {"format": kind[0], "compression": kind[1], "max_part_bytes": most} | options.pop("say", {})
    with SqliteReader(ledger) as reader:
        chosen = ExportSettings(uri=str(folder), **settings)
        return export(reader, chosen, ledger_name="l", now=NOW, maker=maker, **options), maker.names


def files(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def findings(ledger: Path, folder: Path) -> list[str]:
    with SqliteReader(ledger) as reader:
        return check_published(str(folder), reader, ExportSettings())


def inodes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.iterdir()}


def fetch_again(ledger: Path, call_id: int) -> None:
    """Another answer to that call, a good deal longer."""
    with closing(sqlite3.connect(ledger)) as db:
        (body,) = db.execute("SELECT body FROM responses WHERE call_id = ?", (call_id,)).fetchone()
        page = json.loads(gzip.decompress(body))
        for item in page["items"]:
            item["snippet"]["description"] = "changed " + os.urandom(20).hex()
        raw = json.dumps(page).encode()
        data = gzip.compress(raw, 1, mtime=0)
        change = "UPDATE responses SET body = ?, stored_bytes = ?, raw_bytes = ?, sha256 = ? WHERE call_id = ?"
        db.execute(change, (data, len(data), len(raw), hashlib.sha256(data).digest(), call_id))
        db.commit()


class TestWhatIsWritten:
    @every_format
    def test_day_by_day_it_is_what_a_whole_export_gives(
        self, days: list[Path], tmp_path: Path, kind: tuple[str, str]
    ) -> None:
        for day in days:
            before = files(tmp_path / "songs") if day is not days[0] else {}
            manifest, made = go(day, tmp_path / "songs", kind)
            fresh, _ = go(day, tmp_path / day.name, kind)
            assert files(tmp_path / "songs") == files(tmp_path / day.name)
            assert manifest.parts == fresh.parts
            assert not set(made) & before.keys()
            # Of what was there, the last part alone has more in it now.
            assert len(before.keys() - files(tmp_path / "songs").keys()) <= 1
            assert findings(day, tmp_path / "songs") == []

    @every_format
    def test_nothing_is_written_where_nothing_changed(
        self, days: list[Path], tmp_path: Path, kind: tuple[str, str]
    ) -> None:
        first, _ = go(days[0], tmp_path / "songs", kind)
        before = inodes(tmp_path / "songs")
        again, made = go(days[0], tmp_path / "songs", kind)
        assert (made, again.parts, inodes(tmp_path / "songs")) == ([], first.parts, before)

    @every_format
    def test_one_response_is_in_one_part_or_two(self, ledger: Path, tmp_path: Path, kind: tuple[str, str]) -> None:
        """Longer or shorter than before: where the other parts end does not depend on it."""
        manifest, _ = go(ledger, tmp_path / "songs", kind)
        fetch_again(ledger, 3)
        _, made = go(ledger, tmp_path / "songs", kind)
        assert 0 < len(made) < len(manifest.parts or ()) / 2
        go(ledger, tmp_path / "fresh", kind)
        assert files(tmp_path / "songs") == files(tmp_path / "fresh")
        assert findings(ledger, tmp_path / "songs") == []

    def test_parts_that_came_out_too_large_are_not_tried_again(self, ledger: Path, tmp_path: Path) -> None:
        first, second = Watched(), Watched()
        go(ledger, tmp_path / "songs", maker=first)
        assert first.tried > len(first.names) > 1
        go(ledger, tmp_path / "songs", maker=second)
        assert second.tried == 0

    def test_other_settings_or_libraries_make_all_of_it_anew(
        self, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, _ = go(ledger, tmp_path / "songs")
        _, made = go(ledger, tmp_path / "songs", say={"max_part_bytes": 99_000})
        assert len(made) == len(first.parts or ())
        monkeypatch.setattr("harvester.export.cut_parts.tools", lambda: (("harvester", "0.0"),))
        manifest, made = go(ledger, tmp_path / "songs")
        assert len(made) == len(manifest.parts or ())
        assert manifest.made_with == "harvester 0.0"

    def test_formats_whose_files_have_the_same_ending(self, ledger: Path, tmp_path: Path) -> None:
        for kind in (("csv", "none"), ("csv-safe", "none")):
            manifest, made = go(ledger, tmp_path / "songs", kind)
            assert len(made) == len(manifest.parts or ())
            assert files(tmp_path / "songs").keys() == set(made)

    def test_force_makes_all_of_it_anew(self, ledger: Path, tmp_path: Path) -> None:
        first, _ = go(ledger, tmp_path / "songs")
        damaged = sorted((tmp_path / "songs").iterdir())[1]
        about = damaged.stat()
        damaged.write_bytes(damaged.read_bytes()[::-1])
        os.utime(damaged, ns=(about.st_atime_ns, about.st_mtime_ns))
        go(ledger, tmp_path / "songs")
        assert "Export again with --force." in findings(ledger, tmp_path / "songs")[0]
        _, made = go(ledger, tmp_path / "songs", force=True)
        assert len(made) == len(first.parts or ())
        assert findings(ledger, tmp_path / "songs") == []

    @pytest.mark.parametrize("how", ["removed", "changed"])
    def test_a_part_that_is_not_as_the_manifest_says_is_made_anew(self, ledger: Path, tmp_path: Path, how: str) -> None:
        go(ledger, tmp_path / "songs")
        before = files(tmp_path / "songs")
        part = sorted((tmp_path / "songs").iterdir())[1]
        part.unlink() if how == "removed" else part.write_bytes(part.read_bytes()[::-1])
        _, made = go(ledger, tmp_path / "songs")
        assert made == [part.name]
        assert files(tmp_path / "songs") == before

    def test_a_manifest_that_was_made_of_others_is_found(self, ledger: Path, tmp_path: Path) -> None:
        go(ledger, tmp_path / "songs", ("parquet", "none"))
        place = tmp_path / "songs.manifest.json"
        manifest = json.loads(place.read_bytes())
        manifest["parts"][1]["inputs"] = "0" * 64
        place.write_text(json.dumps(manifest), encoding="utf-8")
        assert "was not made of the responses" in findings(ledger, tmp_path / "songs")[0]

    def test_a_folder_of_an_earlier_version_is_replaced(self, days: list[Path], tmp_path: Path) -> None:
        """Its parts have no digest in their names, and its manifest knows none."""
        manifest, _ = go(days[0], tmp_path / "songs")
        place = tmp_path / "songs.manifest.json"
        contents = json.loads(place.read_bytes())
        for key in ("superseded", "max_part_bytes", "made_with"):
            del contents[key]
        for part in contents["parts"]:
            earlier = part["file"][:17] + ".jsonl"
            (tmp_path / "songs" / part["file"]).rename(tmp_path / "songs" / earlier)
            part["file"] = earlier
            del part["inputs"]
        place.write_text(json.dumps(contents), encoding="utf-8")
        assert findings(days[0], tmp_path / "songs") == []
        again, made = go(days[0], tmp_path / "songs")
        assert len(made) == len(manifest.parts or ())
        assert again.parts == manifest.parts
        assert files(tmp_path / "songs").keys() == {part.file for part in manifest.parts or ()}

    def test_superseded_parts_are_kept_until_the_next_export_where_that_is_asked_for(
        self, days: list[Path], tmp_path: Path
    ) -> None:
        keep = {"keep_superseded": True}
        sets = []
        for day in days:
            manifest, _ = go(day, tmp_path / "songs", say=keep)
            sets.append({part.file for part in manifest.parts or ()})
            assert files(tmp_path / "songs").keys() == sets[-1].union(*sets[-2:-1])
            assert findings(day, tmp_path / "songs") == []
        go(days[-1], tmp_path / "songs")
        assert files(tmp_path / "songs").keys() == sets[-1]


@contextmanager
def reading(folder: Path, sets: list[list[Files]]) -> Iterator[None]:
    """A reader that goes by the manifest all the time. `sets` gets what it saw, each set of parts once."""
    seen: list[Files] = []
    over, begun, failed = Event(), Event(), []

    def read() -> None:
        try:
            last = False
            while not last:
                # A look that began before the end may have missed the last publication.
                last = over.is_set()
                with_parts = by_manifest(folder)
                if not seen or with_parts != seen[-1]:
                    seen.append(with_parts)
                begun.set()
        except Exception as error:  # noqa: BLE001 (for the test's own thread)
            failed.append(error)
            begun.set()

    thread = Thread(target=read)
    thread.start()
    try:
        wait_until(begun.is_set)
        yield
    finally:
        over.set()
        thread.join()
    assert not failed, failed
    sets.append(seen)


def by_manifest(folder: Path) -> Files:
    """As docs/export.md says: a part that is gone means that there is a newer manifest."""
    while True:
        manifest = json.loads(folder.with_name(f"{folder.name}.manifest.json").read_bytes())
        try:
            found = {part["file"]: (folder / part["file"]).read_bytes() for part in manifest["parts"]}
        except FileNotFoundError:
            continue
        for part in manifest["parts"]:
            assert hashlib.sha256(found[part["file"]]).hexdigest() == part["sha256"]
        return found


class TestReaders:
    def test_one_that_looks_all_the_time_sees_one_set_or_another(self, days: list[Path], tmp_path: Path) -> None:
        wanted = []
        for day in days:
            go(day, tmp_path / day.name)
            wanted.append(files(tmp_path / day.name))
        go(days[0], tmp_path / "songs")
        seen: list[list[Files]] = []
        with reading(tmp_path / "songs", seen):
            for day in [*days[1:], *days[::-1], *days]:
                go(day, tmp_path / "songs")
        assert all(found in wanted for found in seen[0])
        assert seen[0][-1] == wanted[-1]

    def test_a_draft_that_another_export_clears_up_before_its_lock_is_made_again(
        self, days: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cleared: list[str] = []

        def open_late(path: Path | str, dir_fd: int | None = None) -> int:
            if not cleared and str(path).endswith(DRAFT_SUFFIX):
                cleared.append(str(path))
                os.rmdir(path, dir_fd=dir_fd)
            return open_folder(path, dir_fd)

        monkeypatch.setattr("harvester.export.storage.local_parts_folder.open_folder", open_late)
        go(days[0], tmp_path / "songs")
        assert len(cleared) == 1
        go(days[0], tmp_path / "whole")
        assert files(tmp_path / "songs") == files(tmp_path / "whole")

    def test_of_two_exporters_too(self, days: list[Path], tmp_path: Path) -> None:
        """Of two states, at the same time and many times. One that is overtaken says so."""
        wanted = []
        for day in days[:2]:
            go(day, tmp_path / day.name)
            wanted.append(files(tmp_path / day.name))
        go(days[0], tmp_path / "songs")
        seen: list[list[Files]] = []
        ended: list[str] = []

        def export_often(day: Path) -> None:
            for _ in range(6):
                try:
                    go(day, tmp_path / "songs")
                    ended.append("published")
                except Overtaken:
                    ended.append("overtaken")

        with reading(tmp_path / "songs", seen):
            threads = [Thread(target=partial(export_often, day)) for day in days[:2]]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(ended) == 12
        assert "published" in ended
        assert all(found in wanted for found in seen[0])
        assert files(tmp_path / "songs") in wanted
