"""doctor and `status --prometheus` where this user may not read or write, or where the disk is full."""

from __future__ import annotations

from pathlib import Path

import pytest
from disk_kit import assert_says, harvester, load, small_disk

from harvester.simulator import make_ids

OLD = "# HELP harvester_build_info the metrics of before\n"


@pytest.fixture
def crawl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is well, for `doctor --offline`."""
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", "http://127.0.0.1:9/youtube/v3")
    monkeypatch.setenv("HARVESTER_SOURCE__URI", "ids.txt")
    folder = tmp_path / "crawl"
    folder.mkdir()
    (folder / "config.toml").touch()
    (folder / "ids.txt").write_text("\n".join(make_ids(2, 100)), encoding="ascii")
    load(folder, make_ids(1, 1_000))
    return folder


def problems(folder: Path, exit_code: int) -> dict[str, str]:
    """What doctor calls a problem, as a user whom permissions bind."""
    done = harvester(folder, "doctor", "--offline", as_root=False)
    assert (done.returncode, done.stderr) == (exit_code, "")
    lines = [line for line in done.stdout.splitlines() if line.startswith("problem")]
    return {line[9:19].strip(): line[20:] for line in lines}


def test_a_ledger_that_may_not_be_read(crawl: Path) -> None:
    (crawl / "harvest.db").chmod(0)
    assert "cannot be opened" in problems(crawl, 3).pop("ledger")


def test_a_ledger_that_may_not_be_written(crawl: Path) -> None:
    (crawl / "harvest.db").chmod(0o444)
    assert "can be read, but not written" in problems(crawl, 3).pop("ledger")


def test_a_folder_of_the_export_that_may_not_be_written(crawl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (crawl / "published").mkdir(mode=0o555)
    monkeypatch.setenv("HARVESTER_EXPORT__URI", "published/songs.json")
    found = problems(crawl, 3)
    assert list(found) == ["export"]
    assert "Permission denied" in found["export"]
    assert list((crawl / "published").iterdir()) == []


def test_a_source_that_may_not_be_read(crawl: Path) -> None:
    (crawl / "ids.txt").chmod(0)
    found = problems(crawl, 3)
    assert list(found) == ["source"]
    assert "may not be read" in found["source"]


def test_a_disk_without_room_for_the_next_day(tmp_path: Path, crawl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "disk", "size=2m") as disk:
        load(disk.folder, make_ids(1, 3_000))
        monkeypatch.setenv("HARVESTER_LEDGER__URL", f"sqlite:///{disk.folder}/harvest.db")
        found = problems(crawl, 4)
        assert list(found) == ["disk"]
        assert "the next day of the crawl needs 3.2 MB" in found["disk"]
        monkeypatch.setenv("HARVESTER_QUOTA__DAILY_UNITS", "110")
        done = harvester(crawl, "doctor", "--offline")
        assert done.returncode == 0
        assert "warning  disk" in done.stdout
        assert "the rest of the crawl needs 3.2 MB" in done.stdout


def test_metrics_on_a_disk_that_is_full(tmp_path: Path, crawl: Path) -> None:
    with small_disk(tmp_path / "disk", "size=256k") as disk:
        path = disk.folder / "crawl.prom"
        path.write_text(OLD, encoding="ascii")
        disk.fill()
        before = sorted(disk.folder.iterdir())
        assert_says(harvester(crawl, "status", "--prometheus", str(path)), 4, "crawl.prom", "Make room")
        assert path.read_text(encoding="ascii") == OLD
        assert sorted(disk.folder.iterdir()) == before


def test_metrics_in_a_folder_that_may_not_be_written(tmp_path: Path, crawl: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "crawl.prom").write_text(OLD, encoding="ascii")
    folder.chmod(0o555)
    done = harvester(crawl, "status", "--prometheus", str(folder / "crawl.prom"), as_root=False)
    assert_says(done, 3, "Permission denied", "Name a file in a folder")
    assert [file.read_text(encoding="ascii") for file in folder.iterdir()] == [OLD]
