"""kill -9 in the middle of an export of a SQLite database: DEST holds the old or the new one, whole."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from children import Program
from crawled_ledger import crawled_ledger, in_order
from dying import dies

EXPORT = ["export", "songs.db"]


def ok(program: Program, *arguments: str) -> None:
    done = program.here(*arguments)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An old export of a ledger that has grown since, and what a new one is to be."""
    folder = tmp_path_factory.mktemp("template")
    crawled_ledger(folder / "harvest.db", 1500, in_order(200))
    ok(Program(folder), *EXPORT)
    (folder / "harvest.db").unlink()
    crawled_ledger(folder / "harvest.db", 1500, in_order(1500))
    ok(Program(folder), "export", "uncut.db")
    return folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("SQLITE_TMPDIR", str(folder))
    return folder


@pytest.mark.parametrize(
    ("point", "visit", "drafts"),
    [
        ("while the database is made", 1, 2),
        ("while the database is made", 6, 2),
        ("while the draft is written", 3, 2),
        ("before the draft takes its place", 1, 2),
        ("before the manifest", 1, 1),
    ],
)
def test_one_of_both_stands_and_nothing_is_left(
    harvester: Program, template: Path, temporary: Path, point: str, visit: int, drafts: int
) -> None:
    folder = harvester.folder
    shutil.copytree(template, folder, dirs_exist_ok=True)
    old, new = (folder / "songs.db").read_bytes(), (folder / "uncut.db").read_bytes()
    dies(folder, {"point": point, "visit": visit}, *EXPORT)
    assert (folder / "songs.db").read_bytes() == (new if point == "before the manifest" else old)
    with closing(sqlite3.connect(f"file:{folder / 'songs.db'}?mode=ro", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert list(temporary.iterdir()) == []
    assert len(left(folder)) == drafts
    ok(harvester, *EXPORT)
    assert (folder / "songs.db").read_bytes() == new
    assert left(folder) == list(temporary.iterdir()) == []
    ok(harvester, "verify", "--export", "songs.db")


def left(folder: Path) -> list[str]:
    """Drafts, and what SQLite would keep beside a database."""
    published = {"songs.db", "songs.db.manifest.json"}
    return [file.name for file in folder.glob("*songs.db*") if file.name not in published]
