"""kill -9, and SIGTERM, in the middle of an export to a folder of parts: the old folder is whole, or the new one is."""

from __future__ import annotations

import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from children import Program
from crawled_ledger import crawled_ledger, in_order
from dying import dies, run_mortal

from harvester.config import ExportSettings
from harvester.errors import ConfigError
from harvester.export import check_published
from harvester.ledger.sqlite.reader import SqliteReader

EXPORT = ["export", "songs", "--format", "jsonl", "--max-part-bytes", "300000"]
Files = dict[str, bytes]


@dataclass(frozen=True)
class Exported:
    """A ledger that has grown since it was last exported. `new` is what an export that nothing cuts off gives now."""

    harvester: Program
    old: Files
    old_manifest: bytes
    new: Files

    @property
    def folder(self) -> Path:
        return self.harvester.folder

    @property
    def manifest(self) -> Path:
        return self.folder / "songs.manifest.json"

    def files(self) -> Files:
        return content(self.folder / "songs")

    def hidden(self) -> list[str]:
        return [path.name for path in self.folder.iterdir() if path.name.startswith(".")]

    def findings(self) -> str:
        with SqliteReader(self.folder / "harvest.db") as books:
            return "\n".join(check_published(str(self.folder / "songs"), books, ExportSettings()))


def content(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def ok(harvester: Program, *arguments: str) -> None:
    done = harvester.here(*arguments)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: it is the same for every test."""
    folder = tmp_path_factory.mktemp("template")
    crawled_ledger(folder / "harvest.db", 300, in_order(100))
    ok(Program(folder), *EXPORT)
    (folder / "harvest.db").unlink()
    crawled_ledger(folder / "harvest.db", 300, in_order(300))
    ok(Program(folder), "export", "uncut", *EXPORT[2:])
    return folder


@pytest.fixture
def exported(harvester: Program, template: Path) -> Exported:
    folder = harvester.folder
    shutil.copytree(template, folder, dirs_exist_ok=True)
    old, new = content(folder / "songs"), content(folder / "uncut")
    assert (len(old), len(new)) == (2, 6)
    return Exported(harvester, old, (folder / "songs.manifest.json").read_bytes(), new)


def assert_next_export_is_right(exported: Exported) -> None:
    ok(exported.harvester, *EXPORT)
    assert exported.files() == exported.new
    assert exported.hidden() == []
    assert exported.findings() == ""


@pytest.mark.parametrize(
    ("point", "visit", "hidden"),
    [
        ("before a part is written", 4, 1),
        ("before the draft is on disk", 6, 1),
        ("before the parts take their place", 1, 1),
        # The old manifest and the new one are beside the folder then, hidden.
        ("before the old manifest is removed", 1, 3),
    ],
)
def test_killed_while_parts_are_written_the_old_folder_and_its_manifest_stand(
    exported: Exported, point: str, visit: int, hidden: int
) -> None:
    dies(exported.folder, {"point": point, "visit": visit}, *EXPORT)
    assert (exported.files(), exported.manifest.read_bytes()) == (exported.old, exported.old_manifest)
    assert len(exported.hidden()) == hidden
    assert_next_export_is_right(exported)


@pytest.mark.parametrize(
    ("point", "stands"),
    [("before a folder is renamed", "old"), ("before the manifest", "new")],
)
def test_killed_while_the_folders_change_places_no_manifest_speaks_of_either(
    exported: Exported, point: str, stands: str
) -> None:
    dies(exported.folder, {"point": point}, *EXPORT)
    assert exported.files() == (exported.old if stands == "old" else exported.new)
    assert "There is no manifest" in exported.findings()
    # The next export begins by putting the right one back: this one is killed as soon as it writes.
    dies(exported.folder, {"point": "before a part is written"}, *EXPORT)
    assert exported.findings() == ""
    assert exported.files() == (exported.old if stands == "old" else exported.new)
    assert_next_export_is_right(exported)


def test_killed_before_the_old_parts_are_removed_the_new_ones_stand_with_their_manifest(exported: Exported) -> None:
    dies(exported.folder, {"point": "before the old parts are removed"}, *EXPORT)
    assert exported.files() == exported.new
    assert exported.findings() == ""
    assert len(exported.hidden()) == 1
    assert_next_export_is_right(exported)


def test_killed_between_the_two_renames_the_next_export_puts_the_old_folder_back(exported: Exported) -> None:
    dies(exported.folder, {"point": "before a folder is renamed", "visit": 2}, *EXPORT)
    assert not (exported.folder / "songs").exists()
    with pytest.raises(ConfigError, match="no file at") as caught:
        exported.findings()
    assert "There is no manifest" in caught.value.state
    assert "harvester export" in caught.value.next_step
    # It puts it back before anything else: this one is killed as soon as it writes.
    dies(exported.folder, {"point": "before a part is written"}, *EXPORT)
    assert exported.files() == exported.old
    assert_next_export_is_right(exported)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_leaves_everything_as_it_was(exported: Exported, number: int) -> None:
    ended = run_mortal(exported.folder, {"point": "before a part is written", "visit": 4, "signal": number}, *EXPORT)
    assert (ended.returncode, "Traceback" in ended.stderr) == (128 + number, False), ended.stderr
    assert exported.hidden() == []
    assert (exported.files(), exported.manifest.read_bytes()) == (exported.old, exported.old_manifest)
    assert exported.findings() == ""


def test_two_at_once_leave_one_whole_result(exported: Exported) -> None:
    children = [exported.harvester.start(*EXPORT) for _ in range(3)]
    ended = [child.wait() for child in children]
    # One whose folder was just taken away by another says so, and is to be run again.
    assert set(ended) <= {0, 4}, [child.stderr for child in children]
    assert 0 in ended
    assert exported.files() == exported.new
    assert exported.hidden() == []
    assert exported.findings() == ""
