"""A disk that is full: exit code 4 and a sentence, the ledger is consistent, and once there is room it continues.

A disk is full in two ways here: a small file system, where the tests may mount one, and a limit on the size of files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from children import Simulate
from disk_kit import (
    SmallDisk,
    assert_says,
    assert_sound,
    files_of_at_most,
    fingerprints,
    harvester,
    load,
    ok,
    small_disk,
)

from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.simulator import SimulatorProcess, make_ids, truth

IDS = 2_000
CONCURRENCY = 10


@dataclass
class TightSpot:
    """A loaded ledger on a disk that has room for some of the crawl."""

    folder: Path
    simulator: SimulatorProcess
    disk: SmallDisk | None
    limit: str

    @property
    def ledger(self) -> Path:
        return self.folder / "harvest.db"

    def tight(self, *arguments: str) -> Any:
        return harvester(self.folder, *arguments, full_at=self.limit)

    def make_room(self) -> None:
        if self.disk is not None:
            self.disk.resize("64m")

    def beside(self) -> set[str]:
        """Every file but the ledger's."""
        return {file.name for file in self.folder.iterdir() if not file.name.startswith("harvest.db")}

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(ok(self.folder, "status", "--json"))
        return status

    def assert_finished(self) -> None:
        """No id is lost, none was paid for in secret, and the ledger is consistent."""
        with SqliteReader(self.ledger) as reader:
            states = {video_id: state.label for video_id, state in reader.states()}
            (day,) = reader.progress().days
        assert list(states) == list(make_ids(0, IDS))
        assert all(state == truth(video_id, 0) for video_id, state in states.items())
        (counted,) = self.simulator.report()["days"].values()
        assert counted["units"] <= day.units
        assert day.ok == IDS / 50
        assert_sound(self.ledger)


@pytest.fixture(params=["a small disk", "a limit on files"])
def spot(
    request: pytest.FixtureRequest, tmp_path: Path, simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TightSpot]:
    simulator = simulate(latency_seconds=0.005)
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", simulator.base_url)
    monkeypatch.setenv("HARVESTER_RUN__CONCURRENCY", str(CONCURRENCY))
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    with ExitStack() as mounted:
        if request.param == "a small disk":
            disk = mounted.enter_context(small_disk(tmp_path / "disk", "size=1000k"))
            spot = TightSpot(disk.folder, simulator, disk, "")
        else:
            spot = TightSpot(tmp_path, simulator, None, files_of_at_most(600_000))
        load(spot.folder, make_ids(0, IDS))
        yield spot


def test_a_backup_that_finds_no_room_leaves_the_earlier_one(tmp_path: Path) -> None:
    load(tmp_path, make_ids(0, IDS))
    ok(tmp_path, "ledger", "backup", "backup.db")
    before = fingerprints(tmp_path)
    done = harvester(tmp_path, "ledger", "backup", "backup.db", full_at=files_of_at_most(100_000))
    assert_says(done, 4, "backup.db", "Make room")
    assert fingerprints(tmp_path) == before
    with small_disk(tmp_path / "disk", "size=200k") as disk:
        done = harvester(tmp_path, "ledger", "backup", "disk/backup.db")
        assert_says(done, 4, "disk/backup.db can't be written: the copy takes", "Make room")
        assert list(disk.folder.iterdir()) == []


def test_a_disk_that_fills_up_in_a_run(spot: TightSpot) -> None:
    """What was fetched stays, what was under way is taken back at once by the next run, full disk or not."""
    for _ in range(2):
        assert_says(spot.tight("run"), 4, "harvest.db could not be written", "committed before is safe", "Make room")
        assert_sound(spot.ledger)
    videos = spot.status()["videos"]
    assert videos["pending"] + videos["claimed"] + videos["fetched"] + videos["missing"] == IDS
    spot.make_room()
    ok(spot.folder, "verify")
    ok(spot.folder, "run")
    spot.assert_finished()


def test_a_disk_that_fills_up_in_an_export(spot: TightSpot) -> None:
    """The old file stays, the draft goes, and the next export is what it would have been."""
    ok(spot.folder, "run", "--max-calls", "2")
    ok(spot.folder, "export")
    old = {name: (spot.folder / name).read_bytes() for name in ("songs.json", "songs.json.manifest.json")}
    spot.make_room()
    ok(spot.folder, "run")
    if spot.disk is not None:
        # SQLite needs a little, to read.
        spot.disk.fill(but=100_000)
    before = spot.beside()
    assert_says(spot.tight("export"), 4, "Can't write", "as it was", "Make room")
    assert {name: (spot.folder / name).read_bytes() for name in old} == old
    assert spot.beside() == before
    (spot.folder / "filler").unlink(missing_ok=True)
    ok(spot.folder, "export")
    ok(spot.folder, "verify", "--export", "songs.json")


@pytest.mark.parametrize("point", ["open_run", "recover", "claim", "settle", "close_run"])
def test_a_disk_that_is_full_from_a_point_on(
    tmp_path: Path, simulate: Simulate, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Also while the run closes: the sentence is the same, and the next run has the claims at once."""
    simulator = simulate(latency_seconds=0.005)
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", simulator.base_url)
    monkeypatch.setenv("HARVESTER_RUN__CONCURRENCY", str(CONCURRENCY))
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    (tmp_path / "ids.txt").write_text("\n".join(make_ids(0, IDS)), encoding="ascii")
    ok(tmp_path, "load", "ids.txt")
    spot = TightSpot(tmp_path, simulator, None, None)
    assert_says(
        harvester(tmp_path, "run", "--max-calls", "20", full_at=point),
        4,
        "harvest.db could not be written",
        "Make room",
    )
    ok(tmp_path, "verify")
    held = spot.status()["calls"]
    under_way = held["total"] - held["ok"] - held["failed"] - held["abandoned"]
    # Not every lane may have begun by then, and one that can't settle may have claimed once more.
    assert 1 <= under_way <= 2 * CONCURRENCY if point == "settle" else under_way == 0
    output = ok(tmp_path, "run")
    if under_way:
        assert f"Taken back first: {under_way} calls of a run that had died." in output
    spot.assert_finished()


@pytest.mark.parametrize("where", ["a small disk", "a limit on files"])
def test_a_disk_that_fills_up_in_a_load(tmp_path: Path, where: str) -> None:
    with ExitStack() as mounted:
        folder, limit, disk = tmp_path, files_of_at_most(200_000), None
        if where == "a small disk":
            disk = mounted.enter_context(small_disk(tmp_path / "disk", "size=400k"))
            folder, limit = disk.folder, ""
        ids = list(make_ids(0, 8_000))
        prepare(folder / "harvest.db")
        source = tmp_path / "ids.txt"
        source.write_text("\n".join(ids), encoding="ascii")
        assert_says(harvester(folder, "load", str(source), full_at=limit), 4, "could not be written", "Make room")
        assert_sound(folder / "harvest.db")
        if disk is not None:
            disk.resize("64m")
        ok(folder, "load", str(source))
        with SqliteReader(folder / "harvest.db") as reader:
            assert [video_id for video_id, _ in reader.states()] == ids
        ok(folder, "verify")


def test_a_full_disk_on_which_a_ledger_is_to_be_made(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=320k") as disk:
        (disk.folder / "config.toml").touch()
        filler = disk.fill()
        assert_says(harvester(disk.folder, "init"), 4, "could not be written", "Make room")
        filler.unlink()
        ok(disk.folder, "init")
        ok(disk.folder, "verify")


def test_a_full_disk_can_be_looked_at(tmp_path: Path) -> None:
    """Where SQLite finds no room for what it needs to read, that is said."""
    with small_disk(tmp_path / "disk", "size=400k") as disk:
        prepare(disk.folder / "harvest.db")
        filler = disk.fill()
        for command in ("status", "verify"):
            done = harvester(disk.folder, command)
            if done.returncode != 0:
                assert_says(done, 4, "could not be written", "Make room")
        filler.unlink()
        ok(disk.folder, "verify")


def test_a_disk_with_no_place_for_one_more_file(tmp_path: Path) -> None:
    """There is room for bytes, but not for the name of the WAL."""
    with small_disk(tmp_path / "disk", "size=4m,nr_inodes=12") as disk:
        prepare(disk.folder / "harvest.db")
        fillers = [disk.folder / f"filler-{number}" for number in range(12)]
        with suppress(OSError):
            for filler in fillers:
                filler.touch()
        assert_says(harvester(disk.folder, "load", "-"), 4, "could not be written", "Make room")
        for filler in fillers:
            filler.unlink(missing_ok=True)
        ok(disk.folder, "load", "-")
        ok(disk.folder, "verify")
