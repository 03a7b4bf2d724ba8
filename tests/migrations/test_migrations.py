"""The migrations build just the tables that the code knows, whole or not at all, and keep what is in them."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sqlite3
import subprocess
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path

import forks
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from fresh_ledgers import replay
from sqlalchemy import CheckConstraint, create_engine
from waiting import LIMIT_SECONDS

from harvester.errors import LedgerDamaged, LedgerUnusable
from harvester.ledger.ledger import Ledger
from harvester.ledger.process_identity import this_process
from harvester.ledger.schema import metadata
from harvester.ledger.sqlite import migrate
from harvester.ledger.sqlite.migrate import REVISION, check, migrations_folder, prepare
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.model import Batch, Budget, VideoState

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
PROGRAM = Path(__file__).with_name("migration_program.py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "harvest.db"


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


def schema(path: Path) -> dict[str, str]:
    """The text of each table, index and view, as the database keeps it; foreign keys stand last."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: keys_last(re.sub(r"\s+", " ", text)) for name, text in rows}


def keys_last(table: str) -> str:
    """A column that was added later has its foreign key beside it."""
    beside = re.compile(r"(\w+)( INTEGER) REFERENCES (\w+) \((\w+)\)")
    keys = [f", FOREIGN KEY({key[1]}) REFERENCES {key[3]} ({key[4]})" for key in beside.finditer(table)]
    return beside.sub(r"\1\2", table).replace(" ) STRICT", f"{''.join(keys)} ) STRICT")


def fill(path: Path) -> None:
    """Ids, a run, and a call under way."""

    async def go() -> None:
        async with Ledger(SqliteTransactionRunner(path)) as ledger:
            await ledger.add([f"{number:010}A" for number in range(120)], [], 0)
            run = await ledger.open_run(this_process(), NOW, NOW)
            assert isinstance(await ledger.claim(run, Budget(date(2026, 11, 23), 100, 11), NOW), Batch)

    asyncio.run(go())


# --- what they build


def test_the_migrated_schema_is_the_schema_of_the_code(path: Path) -> None:
    """Letter by letter: columns, types, checks, foreign keys, indexes with their conditions, STRICT."""
    prepare(path)
    fresh = path.with_name("fresh.db")
    engine = create_engine(f"sqlite:///{fresh}")
    metadata.create_all(engine)
    engine.dispose()
    migrated = schema(path)
    views = {name for name, text in migrated.items() if text.startswith("CREATE VIEW")}
    assert views == {"videos_readable", "calls_readable"}
    assert {name: migrated[name] for name in set(migrated) - views - {"alembic_version"}} == schema(fresh)


def test_what_the_other_tests_make_is_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They replay what the migrations left."""

    def everything(path: Path) -> tuple[object, ...]:
        with closing(sqlite3.connect(path)) as db:
            names = ("application_id", "user_version", "page_size", "auto_vacuum", "encoding", "journal_mode")
            pragmas = [db.execute(f"PRAGMA {name}").fetchone() for name in names]
            return pragmas, db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall(), dump(path)

    other = path.with_name("other.db")
    prepare(path)
    monkeypatch.setattr(migrate, "migrate", replay)
    prepare(other)
    assert everything(other) == everything(path)


def test_alembic_sees_no_difference_either(path: Path) -> None:
    prepare(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    engine.dispose()


def test_every_check_has_a_name_and_stands_in_the_ledger(path: Path) -> None:
    prepare(path)
    tables = schema(path)
    for table in metadata.tables.values():
        constraints = chain(table.constraints, *(column.constraints for column in table.columns))
        checks = {constraint for constraint in constraints if isinstance(constraint, CheckConstraint)}
        for constraint in checks:
            assert f"CONSTRAINT {constraint.name} CHECK ({constraint.sqltext})" in tables[table.name]
        assert tables[table.name].count("CHECK (") == len(checks)


def test_every_table_is_strict(path: Path) -> None:
    prepare(path)
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT name, strict FROM pragma_table_list WHERE type = 'table'").fetchall()
        assert {name for name, strict in rows if strict} == set(metadata.tables)
        with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT value in INTEGER column"):
            db.execute("INSERT INTO videos (video_id, state) VALUES ('x', 'pending')")


def test_the_states_have_names_and_the_views_give_them(path: Path) -> None:
    prepare(path)
    fill(path)
    with closing(sqlite3.connect(path)) as db:
        names = dict(db.execute("SELECT code, name FROM video_states").fetchall())
        assert names == {state.value: state.label for state in VideoState}
        videos = db.execute("SELECT state, count(*) FROM videos_readable GROUP BY 1 ORDER BY 1").fetchall()
        assert videos == [("claimed", 50), ("pending", 70)]
        calls = db.execute("SELECT quota_day, state, ids, units, item_count FROM calls_readable").fetchall()
        assert calls == [("2026-11-23", "open", 50, 11, None)]


def test_the_file_says_what_it_is(path: Path) -> None:
    prepare(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (migrate.APPLICATION_ID,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# --- their order


def versions() -> dict[str, str | None]:
    """Each migration and the one before it, by the names of the files."""
    found: dict[str, str | None] = {}
    for file in sorted((migrations_folder() / "versions").glob("*.py")):
        text = file.read_text(encoding="utf-8")
        revision, before = re.findall(r"^(?:down_)?revision = (.+)$", text, re.MULTILINE)
        assert file.name[:5] == f"{revision.strip(chr(34))}_"
        found[revision.strip('"')] = None if before == "None" else before.strip('"')
    return found


def test_the_code_works_with_the_newest_migration() -> None:
    assert max(versions()) == REVISION


def test_the_migrations_are_one_line() -> None:
    names = sorted(versions())
    assert [versions()[name] for name in names] == [None, *names[:-1]]


def test_preparing_again_writes_nothing(path: Path) -> None:
    prepare(path)
    fill(path)
    before, at = path.read_bytes(), path.stat().st_mtime_ns
    for _ in range(2):
        prepare(path)
        check(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, at)


# --- from one version to the next

NEXT = '''
"""A later version: a table that others refer to is rebuilt, and one is new."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("DROP VIEW videos_readable")
    op.execute("DROP VIEW calls_readable")
    with op.batch_alter_table("calls", recreate="always") as calls:
        calls.add_column(sa.Column("note", sa.Text))
    {then}
'''
LATER = f"{int(REVISION) + 1:04}"


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The migrations of a harvester to come: today's and one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrations_folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def write_next(folder: Path, then: str = "pass") -> None:
    text = NEXT.format(revision=LATER, before=REVISION, then=then)
    (folder / "versions" / f"{LATER}_notes.py").write_text(text, encoding="utf-8")


def become(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this harvester is the later one."""
    monkeypatch.setattr(migrate, "migrations_folder", lambda: folder)
    monkeypatch.setattr(migrate, "REVISION", LATER)


def test_an_older_ledger_is_brought_up_to_date_with_all_that_is_in_it(
    path: Path, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(path)
    fill(path)
    before = dump(path)
    become(later, monkeypatch)
    write_next(later)
    with pytest.raises(LedgerUnusable, match=f"of an older version \\({REVISION}; .* {LATER}\\)") as caught:
        check(path)
    assert (caught.value.exit_code, "harvester init" in caught.value.next_step) == (3, True)
    assert dump(path) == before
    prepare(path)
    check(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*), sum(call_id) FROM videos").fetchone() == (120, 50)
        assert db.execute("SELECT id, ids, note FROM calls").fetchall() == [(1, 50, None)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert "REFERENCES calls" in schema(path)["videos"]


def test_a_new_ledger_gets_every_migration(path: Path, later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    become(later, monkeypatch)
    write_next(later)
    prepare(path)
    check(path)
    assert "notes" in schema(path)


def test_a_newer_ledger_is_left_alone(path: Path) -> None:
    prepare(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
        db.commit()
    before = path.read_bytes()
    for action in (prepare, check):
        with pytest.raises(LedgerUnusable, match="written by a newer harvester \\(version 9999") as caught:
            action(path)
        assert (caught.value.exit_code, caught.value.next_step) == (3, "Upgrade harvester.")
    assert path.read_bytes() == before


@pytest.mark.parametrize("then", ["raise RuntimeError('halfway')", "op.execute('SELECT nonsense')"])
def test_a_migration_that_fails_leaves_the_ledger_as_it_was(
    path: Path, later: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    prepare(path)
    fill(path)
    before = dump(path)
    become(later, monkeypatch)
    write_next(later, then)
    with pytest.raises(Exception, match=r"halfway|nonsense"):
        prepare(path)
    assert dump(path) == before


def test_a_migration_that_tears_rows_apart_is_undone(path: Path, later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(path)
    fill(path)
    before = dump(path)
    become(later, monkeypatch)
    write_next(later, "op.execute('DELETE FROM runs')")
    with pytest.raises(LedgerDamaged):
        prepare(path)
    assert dump(path) == before


@pytest.mark.parametrize(("settled", "place"), [(60, 61), (119, 120), (120, 121)])
def test_claims_go_on_where_the_index_of_pending_ids_had_them_look(
    path: Path, later: Path, settled: int, place: int
) -> None:
    """From the first version, whose pending ids had an index of their own."""
    for migration in sorted((later / "versions").glob("*.py"))[1:]:
        migration.unlink()
    migrated = migrate_elsewhere(later, "0001", path)
    assert migrated.returncode == 0, migrated.stderr
    with closing(sqlite3.connect(path)) as db:
        db.executemany("INSERT INTO videos (video_id, state) VALUES (?, 5)", [(f"{n:011}",) for n in range(settled)])
        db.executemany("INSERT INTO videos (video_id) VALUES (?)", [(f"{n:011}",) for n in range(settled, 120)])
        db.execute("UPDATE video_states SET videos = ? WHERE code = 0", (120 - settled,))
        db.execute("UPDATE video_states SET videos = ? WHERE code = 5", (settled,))
        db.commit()
    prepare(path)
    assert "ix_videos_pending" not in schema(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT first_position FROM video_states WHERE code = 0").fetchone() == (place,)
    with SqliteReader(path) as reader:
        assert sum(len(ids) for ids in reader.pending(50)) == 120 - settled
        assert reader.findings() == []


# --- killed, and at once

KILL = f"__import__('os').kill(__import__('os').getpid(), {int(signal.SIGKILL)})"


def migrate_elsewhere(folder: Path, revision: str, path: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own."""
    env = os.environ | {"PYTHONWARNINGS": "error"}
    return forks.run(PROGRAM, ("migrate", str(folder), revision, str(path)), folder=path.parent, env=env)


def migrate_and_die(folder: Path, revision: str, path: Path) -> None:
    assert migrate_elsewhere(folder, revision, path).returncode == -signal.SIGKILL


def test_killed_in_mid_migration_the_ledger_is_at_its_older_version(path: Path, later: Path) -> None:
    prepare(path)
    fill(path)
    before = dump(path)
    write_next(later, KILL)
    migrate_and_die(later, LATER, path)
    check(path)
    assert dump(path) == before


@pytest.mark.parametrize("step", ["_create_states()", "_create_calls()", "_create_views()"])
def test_killed_while_it_is_made_it_is_empty_and_can_be_made_again(path: Path, later: Path, step: str) -> None:
    first = later / "versions" / "0001_ledger.py"
    text = first.read_text(encoding="utf-8")
    first.write_text(text.replace(f"    {step}\n", f"    {step}\n    {KILL}\n", 1), encoding="utf-8")
    migrate_and_die(later, REVISION, path)
    with pytest.raises(LedgerUnusable, match="is empty"):
        check(path)
    prepare(path)
    check(path)


def test_several_processes_may_prepare_at_once(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{number}.db") for number in range(12)]
    env = os.environ | {"PYTHONWARNINGS": "error"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with ExitStack() as opened:
        children = [forks.start(PROGRAM, ("prepare", *paths), folder=tmp_path, env=env, **pipes) for _ in range(3)]
        for child in children:
            opened.callback(child.kill)
            for pipe in (child.stdin, child.stdout, child.stderr):
                opened.enter_context(pipe)  # type: ignore[arg-type]
        for _ in paths:
            assert [child.stdout.readline() for child in children] == [b"ready\n"] * 3  # type: ignore[union-attr]
            for child in children:
                child.stdin.write(b"go\n")  # type: ignore[union-attr]
        said = [(child.stderr.read(), child.wait(LIMIT_SECONDS)) for child in children]  # type: ignore[union-attr]
    assert said == [(b"", 0)] * 3
    assert len({tuple(dump(Path(path))) for path in paths}) == 1
