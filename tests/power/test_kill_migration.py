"""A migration of a ledger that holds something: a copy stands next to it until the migration has committed.

The later harvester is this one with one migration more; it is killed at every step; its `init` continues from there.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dying import PROGRAM, Rows, assert_sound, dies, rows, run_mortal

from harvester.errors import LedgerDamaged, LedgerUnavailable
from harvester.ledger.ledger import Ledger
from harvester.ledger.process_identity import this_process
from harvester.ledger.sqlite import file_copy, migrate
from harvester.ledger.sqlite.migrate import REVISION, check, migrations_folder, prepare
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.model import Batch, Budget

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
LATER = f"{int(REVISION) + 1:04}"
MIGRATION = f'''
"""A later version: each id gets a note."""

import os
import signal

from alembic import op

revision = "{LATER}"
down_revision = "{REVISION}"


def upgrade() -> None:
    op.execute("CREATE TABLE notes (position INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT")
    op.execute("INSERT INTO notes SELECT position, hex(randomblob(400)) FROM videos")
    step()
    op.execute("ALTER TABLE calls ADD COLUMN note TEXT")
    op.execute("UPDATE runs SET reason = 'migrated'")


def step() -> None:
    what = os.environ.get("IN_MID_MIGRATION")
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "fail":
        raise RuntimeError("halfway")
'''
INIT = ["init"]


@dataclass(frozen=True)
class Upgrade:
    """A ledger of today, and the harvester of tomorrow."""

    folder: Path
    before: Rows

    @property
    def ledger(self) -> Path:
        return self.folder / "harvest.db"

    @property
    def copy(self) -> Path:
        return self.folder / f"harvest.db.before-{LATER}"

    @property
    def later(self) -> dict[str, Any]:
        return {"migrations": str(self.folder / "migrations"), "revision": LATER}

    def init(self) -> subprocess.CompletedProcess[str]:
        return run_mortal(self.folder, self.later, *INIT)

    def dies(self, point: str, **more: Any) -> None:
        dies(self.folder, self.later | {"point": point} | more, *INIT)

    def beside(self) -> set[str]:
        """The files whose names begin with the ledger's, but for SQLite's own."""
        return {file.name for file in self.folder.glob("harvest.db?*")} - {"harvest.db-wal", "harvest.db-shm"}

    def assert_is_old(self) -> None:
        check(self.ledger)
        assert rows(self.ledger) == self.before
        assert_sound(self.ledger)

    def assert_copy_is_whole(self) -> None:
        assert rows(self.copy) == self.before
        assert stat.S_IMODE(self.copy.stat().st_mode) == 0o600
        assert_sound(self.copy)

    def assert_is_new(self) -> None:
        """Migrated once, with all that was in it."""
        now = rows(self.ledger)
        assert now["alembic_version"] == [(LATER,)]
        assert len(now["notes"]) == len(self.before["videos"])
        assert [row[:-1] for row in now["calls"]] == self.before["calls"]
        assert all(row[-1] == "migrated" for row in now["runs"])
        same = set(self.before) - {"alembic_version", "calls", "runs"}
        assert {name: now[name] for name in same} == {name: self.before[name] for name in same}
        assert_sound(self.ledger)

    def assert_init_goes_on(self) -> None:
        """Whatever was cut off: the next `init` ends with the new ledger and nothing next to it."""
        done = self.init()
        assert done.returncode == 0, done.stderr
        assert "ready" in done.stdout
        self.assert_is_new()
        assert self.beside() == set()


@pytest.fixture
def old(tmp_path: Path) -> Upgrade:
    path = tmp_path / "harvest.db"
    (tmp_path / "config.toml").touch()
    prepare(path)

    async def fill() -> None:
        async with Ledger(SqliteTransactionRunner(path)) as ledger:
            await ledger.add([f"{number:010}A" for number in range(2_000)], [], 0)
            run = await ledger.open_run(this_process(), NOW, NOW)
            assert isinstance(await ledger.claim(run, Budget(NOW.date(), 100, 11), NOW), Batch)

    asyncio.run(fill())
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(migrations_folder(), tmp_path / "migrations", ignore=ignore)
    (tmp_path / "migrations" / "versions" / f"{LATER}_notes.py").write_text(MIGRATION, encoding="utf-8")
    return Upgrade(tmp_path, rows(path))


def test_a_migration_says_that_it_copies_and_leaves_nothing_behind(old: Upgrade) -> None:
    done = old.init()
    assert done.returncode == 0, done.stderr
    assert f"harvest.db is at version {REVISION}: copied to {old.copy.name}, bringing it to {LATER}" in done.stderr
    old.assert_is_new()
    assert old.beside() == set()
    assert run_mortal(old.folder, old.later, *INIT).stderr == ""


def test_a_new_ledger_is_not_copied(old: Upgrade) -> None:
    old.ledger.unlink()
    done = old.init()
    assert (done.returncode, "copied" in done.stderr) == (0, False)


@pytest.mark.parametrize("point", ["before the copy is on disk", "before the copy has its name"])
def test_killed_before_the_copy_has_its_name_the_old_ledger_stands_alone(old: Upgrade, point: str) -> None:
    old.dies(point)
    old.assert_is_old()
    assert old.beside() == {f"{old.copy.name}.draft"}
    old.assert_init_goes_on()


@pytest.mark.parametrize("point", ["before the migration", "in mid-migration", "after the migration"])
def test_killed_within_the_migration_the_old_ledger_and_its_copy_stand(
    old: Upgrade, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    if point == "in mid-migration":
        monkeypatch.setenv("IN_MID_MIGRATION", "die")
        dies(old.folder, old.later, *INIT)
        monkeypatch.delenv("IN_MID_MIGRATION")
    else:
        old.dies(point)
    old.assert_is_old()
    assert old.beside() == {old.copy.name}
    old.assert_copy_is_whole()
    old.assert_init_goes_on()


def test_killed_after_the_commit_the_new_ledger_and_the_copy_stand(old: Upgrade) -> None:
    old.dies("before the copy is removed")
    old.assert_is_new()
    old.assert_copy_is_whole()
    done = old.init()
    assert f"harvest.db is at version {LATER}: removed {old.copy.name}" in done.stderr
    old.assert_init_goes_on()


def test_killed_around_the_commit_it_is_the_one_or_the_other(old: Upgrade) -> None:
    rng = random.Random(3)
    outcomes = set()
    for _ in range(3):
        work = old.folder / "work"
        shutil.copytree(old.folder, work, ignore=shutil.ignore_patterns("work"))
        cut = Upgrade(work, old.before)
        death = cut.later | {"point": "within the commit", "delay_seconds": rng.uniform(0, 0.01)}
        done = run_mortal(work, death, *INIT)
        assert done.returncode in (0, -signal.SIGKILL)
        is_new = rows(cut.ledger, "alembic_version")["alembic_version"] == [(LATER,)]
        outcomes.add(is_new)
        (cut.assert_is_new if is_new else cut.assert_is_old)()
        if not is_new:
            cut.assert_copy_is_whole()
        cut.assert_init_goes_on()
        shutil.rmtree(work)
    assert outcomes


def test_a_copy_of_an_earlier_try_gives_way_to_one_of_the_ledger_as_it_is_now(old: Upgrade) -> None:
    """Today's harvester may have gone on in between."""
    old.dies("before the migration")
    with closing(sqlite3.connect(old.ledger)) as db:
        db.execute("INSERT INTO videos (video_id) VALUES ('aaaaaaaaaaA')")
        db.execute("UPDATE video_states SET videos = videos + 1 WHERE code = 0")
        db.commit()
    grown = Upgrade(old.folder, rows(old.ledger))
    grown.dies("before the migration")
    grown.assert_copy_is_whole()
    grown.assert_init_goes_on()


def test_a_migration_that_fails_keeps_the_ledger_and_the_copy(old: Upgrade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IN_MID_MIGRATION", "fail")
    done = old.init()
    assert (done.returncode, "halfway" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    old.assert_is_old()
    old.assert_copy_is_whole()
    monkeypatch.delenv("IN_MID_MIGRATION")
    old.assert_init_goes_on()


def test_the_copy_can_take_the_ledgers_place(old: Upgrade) -> None:
    """The way back that the documentation names."""
    old.dies("before the copy is removed")
    for suffix in ("-wal", "-shm"):
        old.ledger.with_name(f"harvest.db{suffix}").unlink(missing_ok=True)
    old.copy.replace(old.ledger)
    old.assert_is_old()


def test_without_room_for_the_copy_nothing_is_migrated(old: Upgrade) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    assert old.ledger.stat().st_size > 100_000
    line = [sys.executable, str(PROGRAM), json.dumps(old.later), *INIT]
    done = subprocess.run(line, cwd=old.folder, env=os.environ, capture_output=True, text=True, preexec_fn=little_room)
    assert done.returncode == 4, done.stderr
    assert "was not brought up to date" in done.stderr
    assert "Make room" in done.stderr
    old.assert_is_old()
    assert old.beside() == set()
    old.assert_init_goes_on()


@pytest.fixture
def later_harvester(old: Upgrade, monkeypatch: pytest.MonkeyPatch) -> Upgrade:
    """From here on this process is the later harvester."""
    monkeypatch.setattr(migrate, "migrations_folder", lambda: old.folder / "migrations")
    monkeypatch.setattr(migrate, "REVISION", LATER)
    return old


def test_a_disk_with_too_little_room_is_seen_before_a_byte_is_written(
    later_harvester: Upgrade, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_copy.shutil, "disk_usage", lambda _: SimpleNamespace(free=4_000))
    with pytest.raises(LedgerUnavailable, match=r"the copy takes 0\.\d MB, and 0\.0 MB are free") as caught:
        prepare(later_harvester.ledger)
    assert caught.value.exit_code == 4
    assert later_harvester.beside() == set()


def test_a_damaged_ledger_is_not_migrated(later_harvester: Upgrade) -> None:
    with later_harvester.ledger.open("r+b") as file:
        file.seek(40_960)
        file.write(b"\xa5" * 20_000)
    before = later_harvester.ledger.read_bytes()
    with pytest.raises(LedgerDamaged):
        prepare(later_harvester.ledger)
    assert later_harvester.ledger.read_bytes() == before
    assert later_harvester.beside() == set()
