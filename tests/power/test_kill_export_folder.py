"""kill -9, and SIGTERM, in the middle of an export to a folder of parts: its manifest tells the old set or the new."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from children import Program
from crawled_ledger import crawled_ledger, in_order
from dying import dies, run_mortal

from harvester.config import ExportSettings
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

    def by_manifest(self) -> Files:
        """As a reader finds them."""
        named = [part["file"] for part in json.loads(self.manifest.read_bytes())["parts"]]
        return {name: (self.folder / "songs" / name).read_bytes() for name in named}

    def hidden(self) -> list[str]:
        return [path.name for path in self.folder.iterdir() if path.name.startswith(".")]

    def findings(self) -> str:
        with SqliteReader(self.folder / "harvest.db") as reader:
            return "\n".join(check_published(str(self.folder / "songs"), reader, ExportSettings()))


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
    assert (len(old) > 1, len(new.keys() - old.keys()) > 3, len(old.keys() - new.keys())) == (True, True, 1)
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
        # The new manifest is beside the folder then, hidden.
        ("before a part appears", 1, 2),
    ],
)
def test_killed_while_parts_are_written_nothing_is_changed(
    exported: Exported, point: str, visit: int, hidden: int
) -> None:
    dies(exported.folder, {"point": point, "visit": visit}, *EXPORT)
    assert (exported.files(), exported.manifest.read_bytes()) == (exported.old, exported.old_manifest)
    assert len(exported.hidden()) == hidden
    assert_next_export_is_right(exported)


@pytest.mark.parametrize(
    ("point", "visit", "stands"),
    [
        ("before a part appears", 2, "old"),
        ("before the manifest", 1, "old"),
        ("before the old parts are removed", 1, "new"),
        ("before the draft is removed", 1, "new"),
    ],
)
def test_killed_while_the_sets_change_the_manifest_tells_them_apart(
    exported: Exported, point: str, visit: int, stands: str
) -> None:
    dies(exported.folder, {"point": point, "visit": visit}, *EXPORT)
    assert exported.by_manifest() == (exported.old if stands == "old" else exported.new)
    assert exported.files().items() <= {**exported.old, **exported.new}.items()
    # The next export begins by removing what belongs to neither: this one is killed before it publishes.
    dies(exported.folder, {"point": "before the parts take their place"}, *EXPORT)
    assert exported.files() == (exported.old if stands == "old" else exported.new)
    assert exported.findings() == ""
    assert_next_export_is_right(exported)


def test_killed_in_the_first_export_the_next_one_knows_whose_parts_those_are(harvester: Program) -> None:
    crawled_ledger(harvester.folder / "harvest.db", 100, in_order(100))
    dies(harvester.folder, {"point": "before the manifest"}, *EXPORT)
    assert len(content(harvester.folder / "songs")) > 1
    ok(harvester, *EXPORT)
    ok(harvester, "verify", "--export", "songs")
    assert sorted(path.name for path in harvester.folder.iterdir() if path.name[0] in ".s") == [
        "songs",
        "songs.manifest.json",
    ]


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
    # One that was overtaken says so, and is to be run again.
    assert set(ended) <= {0, 4}, [child.stderr for child in children]
    assert 0 in ended
    assert exported.files() == exported.new
    assert exported.hidden() == []
    assert exported.findings() == ""
