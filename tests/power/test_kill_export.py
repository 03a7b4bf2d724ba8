"""kill -9 in the middle of an export to a local file: the name holds the old file or the new one, whole."""

from __future__ import annotations

import csv
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from children import Program
from crawled_ledger import crawled_ledger, in_order
from dying import dies
from waiting import wait_until

EXPORT = ["export", "songs.json"]


@dataclass(frozen=True)
class Exported:
    """A ledger that has grown since it was last exported."""

    harvester: Program
    old: bytes
    old_manifest: bytes
    new: bytes
    """What an export that nothing cuts off publishes now."""

    @property
    def folder(self) -> Path:
        return self.harvester.folder

    @property
    def file(self) -> Path:
        return self.folder / "songs.json"

    @property
    def manifest(self) -> Path:
        return self.folder / "songs.json.manifest.json"

    def drafts(self) -> list[str]:
        return [file.name for file in self.folder.iterdir() if file.name.endswith("draft")]


def ok(harvester: Program, *arguments: str) -> None:
    done = harvester.here(*arguments)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: it is the same for every test."""
    folder = tmp_path_factory.mktemp("template")
    crawled_ledger(folder / "harvest.db", 500, in_order(200))
    ok(Program(folder), *EXPORT)
    (folder / "harvest.db").unlink()
    crawled_ledger(folder / "harvest.db", 500, in_order(500))
    ok(Program(folder), "export", "uncut.json")
    return folder


@pytest.fixture
def exported(harvester: Program, template: Path) -> Exported:
    folder = harvester.folder
    shutil.copytree(template, folder, dirs_exist_ok=True)
    old, manifest = (folder / "songs.json").read_bytes(), (folder / "songs.json.manifest.json").read_bytes()
    return Exported(harvester, old, manifest, (folder / "uncut.json").read_bytes())


def assert_next_export_is_right(exported: Exported) -> None:
    """It tidies up after the one that was cut off, and publishes what that one would have."""
    ok(exported.harvester, *EXPORT)
    assert exported.file.read_bytes() == exported.new
    assert exported.drafts() == []
    ok(exported.harvester, "verify", "--export", "songs.json")


@pytest.mark.parametrize(
    ("point", "visit"),
    [
        ("while the draft is written", 1),
        ("while the draft is written", 9),
        ("before the draft takes its place", 1),
        ("before the draft is on disk", 1),
    ],
)
def test_killed_before_the_rename_the_old_file_stands(exported: Exported, point: str, visit: int) -> None:
    dies(exported.folder, {"point": point, "visit": visit}, *EXPORT)
    assert (exported.file.read_bytes(), exported.manifest.read_bytes()) == (exported.old, exported.old_manifest)
    # That of the file and that of its manifest.
    assert len(exported.drafts()) == 2
    assert_next_export_is_right(exported)


@pytest.mark.parametrize(("point", "visit"), [("before the manifest", 1), ("before the draft takes its place", 2)])
def test_killed_before_the_manifest_the_new_file_stands_and_verify_tells(
    exported: Exported, point: str, visit: int
) -> None:
    dies(exported.folder, {"point": point, "visit": visit}, *EXPORT)
    assert (exported.file.read_bytes(), exported.manifest.read_bytes()) == (exported.new, exported.old_manifest)
    assert json.loads(exported.file.read_bytes())
    assert len(exported.drafts()) == 1
    reported = exported.harvester.here("verify", "--export", "songs.json")
    assert (reported.returncode, "manifest" in reported.stderr) == (5, True), reported.stderr
    assert_next_export_is_right(exported)


def test_killed_before_the_very_first_manifest_the_file_is_known_as_ours(exported: Exported) -> None:
    exported.file.unlink()
    exported.manifest.unlink()
    dies(exported.folder, {"point": "before the manifest"}, *EXPORT)
    assert (exported.file.read_bytes(), exported.manifest.exists()) == (exported.new, False)
    # The next export begins by putting the manifest in place: this one is killed as soon as it writes.
    dies(exported.folder, {"point": "while the draft is written"}, *EXPORT)
    ok(exported.harvester, "verify", "--export", "songs.json")
    assert_next_export_is_right(exported)


def test_what_came_after_a_kill_is_not_taken_for_ours(exported: Exported) -> None:
    exported.file.unlink()
    exported.manifest.unlink()
    dies(exported.folder, {"point": "before the manifest"}, *EXPORT)
    mine = bytes(len(exported.new))
    exported.file.write_bytes(mine)
    reported = exported.harvester.here(*EXPORT)
    assert (reported.returncode, "did not write" in reported.stderr) == (3, True), reported.stderr
    assert (exported.file.read_bytes(), exported.manifest.exists()) == (mine, False)


@pytest.mark.parametrize("name", ["songs.csv", "songs.jsonl.zst", "songs.parquet"])
def test_the_old_file_of_other_formats_stands_too(exported: Exported, name: str) -> None:
    file, export = exported.folder / name, ["export", name]
    ok(exported.harvester, *export)
    old = file.read_bytes()
    dies(exported.folder, {"point": "while the draft is written"}, *export)
    assert (file.read_bytes(), len(exported.drafts())) == (old, 2)
    ok(exported.harvester, *export)
    assert (file.read_bytes(), exported.drafts()) == (old, [])
    ok(exported.harvester, "verify", "--export", name)


def test_the_processes_that_make_rows_end_with_the_export(harvester: Program) -> None:
    folder = harvester.folder
    crawled_ledger(folder / "harvest.db", 4_000, in_order(4_000), missing_share=0)
    # Two processors, for else it has none; the first 2,000 rows are its own.
    dies(folder, {"point": "while the draft is written", "visit": 6, "processors": 2}, "export", "songs.csv")
    wait_until(lambda: not processes_in(folder))
    ok(harvester, "export", "songs.csv")
    with (folder / "songs.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 4_001
    ok(harvester, "verify", "--export", "songs.csv")


def processes_in(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found += [process] if process.cwd() == str(folder) else []
    return found


def test_several_at_once_leave_one_whole_result(exported: Exported) -> None:
    for _ in range(2):
        children = [exported.harvester.start(*EXPORT) for _ in range(4)]
        ended = [child.wait() for child in children]
        # One that was overtaken says so, and is to be run again.
        assert set(ended) <= {0, 4}, [child.stderr for child in children]
        assert 0 in ended
        assert exported.file.read_bytes() == exported.new
        assert exported.drafts() == []
        ok(exported.harvester, "verify", "--export", "songs.json")
