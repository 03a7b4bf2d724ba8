"""Nothing is written but where the user said, whatever settings and sources hold."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from secrets_kit import Guarded

LEDGER = {"harvest.db", "harvest.db-wal", "harvest.db-shm"}


@pytest.fixture
def places(guarded: Guarded, tmp_path: Path) -> Iterator[Path]:
    """A folder around all that a process could write to: its own, its home, and that of temporary files."""
    for name, variable in (("home", "HOME"), ("temporary", "TMPDIR")):
        (tmp_path / name).mkdir()
        guarded.env[variable] = str(tmp_path / name)
    yield tmp_path
    assert list((tmp_path / "home").iterdir()) == []
    assert list((tmp_path / "temporary").iterdir()) == []


def files_in(folder: Path) -> dict[str, int]:
    """Every file but the ledger's own, and when it was changed."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in LEDGER)
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}


def archive(kind: str) -> bytes:
    """Two files that would stand outside, if anybody unpacked them."""
    out = io.BytesIO()
    names = ("../outside.csv", "/tmp/harvester-outside.csv")
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as packed:
            for name in names:
                packed.writestr(name, "song\n0000000001A\n")
    else:
        with tarfile.open(fileobj=out, mode=f"w:{kind}") as packed:
            for name in names:
                packed.addfile(tarfile.TarInfo(name))
    return out.getvalue()


@pytest.mark.parametrize("kind", ["", "gz", "zip"])
def test_archives_are_not_unpacked(guarded: Guarded, places: Path, kind: str) -> None:
    before = files_in(places)
    guarded.run("load", "-", stdin=archive(kind))
    assert files_in(places) == before
    assert not Path("/tmp/harvester-outside.csv").exists()


def test_load_writes_the_ledger_alone(guarded: Guarded, places: Path) -> None:
    before = files_in(places)
    ids = "\n".join(f"../{name}" for name in ("../etc/x", "songs.json", "harvest.db")) + "\n0000000001A\n"
    assert guarded.run("load", "-", stdin=ids.encode()).returncode == 0
    assert files_in(places) == before


def test_parquet_from_a_pipe_leaves_no_temporary_file(guarded: Guarded, places: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.table({"song": ["0000000001A", "../../outside"]}), out)
    before = files_in(places)
    done = guarded.run("load", "-", stdin=out.getvalue())
    assert done.returncode == 0, done.stderr
    assert files_in(places) == before


def test_reading_commands_write_nothing(guarded: Guarded, places: Path) -> None:
    assert guarded.run("export", "songs.json").returncode == 0
    before = files_in(places)
    for command in (["status"], ["verify", "--export", "songs.json"], ["plan"], ["run", "--dry-run"]):
        assert guarded.run(*command).returncode == 0
    assert files_in(places) == before


def test_an_export_writes_the_two_files_that_it_was_told_to(guarded: Guarded, places: Path) -> None:
    (places / "elsewhere").mkdir()
    before = files_in(places)
    assert guarded.run("export", "../elsewhere/songs.json").returncode == 0
    assert files_in(places).keys() - before.keys() == {"elsewhere/songs.json", "elsewhere/songs.json.manifest.json"}


def test_a_ledger_is_not_overwritten_by_an_export(guarded: Guarded, places: Path) -> None:
    before = (guarded.folder / "harvest.db").read_bytes()
    (guarded.folder / "songs.json").symlink_to("harvest.db")
    for name in ("harvest.db", "songs.json"):
        assert guarded.run("export", name).returncode == 3
    assert (guarded.folder / "harvest.db").read_bytes() == before


def test_a_rehearsal_leaves_foreign_folders_as_they_are(guarded: Guarded, places: Path) -> None:
    mine = places / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    done = guarded.run("rehearse", "--videos", "50", "--out", str(mine))
    assert done.returncode == 3
    assert "It was left as it is." in done.stderr
    assert files_in(mine).keys() == {"thesis.txt"}
