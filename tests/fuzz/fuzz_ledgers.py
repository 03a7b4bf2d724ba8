"""Ledgers without threads: the real transactions, each run where it is asked for, and a death between any two."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine

from harvester.ledger import queries as ledger_queries
from harvester.ledger.ledger import Ledger
from harvester.ledger.postgres.transaction_runner import PostgresTransactionRunner
from harvester.ledger.sqlite.connection import reading_engine, writing_engine
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.reader import SqliteReader, _footprint
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.model import ProcessIdentity
from harvester.support.batching_thread import Done

Alive = Callable[[ProcessIdentity], bool]


class Died(BaseException):
    """The process is dead: nothing that it does reaches the ledger any more."""


class Death:
    """Strikes before or after the `left`-th transaction from now; never where that is None."""

    def __init__(self, left: int | None = None, after: bool = False) -> None:
        self.left = left
        self.after = after
        self.dead = False

    def before_transaction(self) -> None:
        if self.dead:
            raise Died
        if self.left is not None:
            self.left -= 1
            if self.left < 0 and not self.after:
                self.dead = True
                raise Died

    def after_transaction(self) -> None:
        if self.left is not None and self.left < 0:
            self.dead = True
            raise Died


class InlineThread:
    """In place of a BatchingThread: what was asked for in one turn of the loop is done together in the next."""

    def __init__(self, work: Callable[[Sequence[Any]], Sequence[Done[Any]]], death: Death) -> None:
        self._work = work
        self._death = death
        self._waiting: list[tuple[Any, asyncio.Future[Any]]] = []

    async def __call__(self, item: Any) -> Any:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Any] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._do)
        self._waiting.append((item, waiting))
        return await waiting

    def _done(self, items: Sequence[Any]) -> Sequence[Done[Any]]:
        try:
            return self._work(items)
        except BaseException as error:  # noqa: BLE001 (as in BatchingThread)
            return [Done(error=error)] if len(items) == 1 else [self._done([item])[0] for item in items]

    def _do(self) -> None:
        taken, self._waiting = self._waiting, []
        try:
            self._death.before_transaction()
            done = self._done([item for item, _ in taken])
            self._death.after_transaction()
        except Died as died:
            done = [Done(error=died)] * len(taken)
        for (_, waiting), one in zip(taken, done, strict=True):
            if waiting.done():
                continue
            if one.error is not None:
                waiting.set_exception(one.error)
            else:
                waiting.set_result(one.result)


class InlineSqliteRunner(SqliteTransactionRunner):
    def __init__(self, database: SqliteDatabase, death: Death) -> None:
        self._path = database.path
        self._engine = database.writing
        self.unclosed = {}
        self._database = database
        self._waiting_stopped = threading.Event()
        self._batching_thread = InlineThread(self._run, death)  # type: ignore[assignment]
        self._checkpoints = ThreadPoolExecutor(1)
        self._jobs_since = -sys.maxsize  # no checkpoint: it would take time that is not virtual
        self._pooled = self._connect()

    async def read(self, *queries: ledger_queries.AnyQuery) -> list[Sequence[ledger_queries.AnyRow]]:
        db = self._database.connection()
        with db.begin():
            return [db.execute(query).all() for query in queries]

    def hang_up(self) -> None:
        self._disconnect()


class KeptEngineReader(SqliteReader):
    """With an engine that has compiled the queries before."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self._path = path
        self._footprint = _footprint(path)
        self._immutable = False
        self._engine = engine
        self._db = engine.connect()
        self._db.begin()


class InlinePostgresRunner(PostgresTransactionRunner):
    def __init__(self, url: str, death: Death) -> None:
        super().__init__(url)
        self._batching_thread._thread.shutdown()
        self._batching_thread = InlineThread(self._run, death)  # type: ignore[assignment]

    async def read(self, *queries: ledger_queries.AnyQuery) -> list[Sequence[ledger_queries.AnyRow]]:
        return self.read_all(queries)

    def hang_up(self) -> None:
        self._disconnect()


class InlineLedger(Ledger):
    def __init__(self, runner: InlineSqliteRunner | InlinePostgresRunner, alive: Alive) -> None:
        super().__init__(runner, alive)
        self.hang_up = runner.hang_up


class SqliteDatabase:
    """One file in memory, made anew for each crawl from a prepared one."""

    def __init__(self) -> None:
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self._folder = tempfile.TemporaryDirectory(prefix="harvester-fuzz-", dir=memory)
        self._prepared = Path(self._folder.name) / "prepared.db"
        self.path = Path(self._folder.name) / "harvest.db"
        prepare(self._prepared)
        with closing(sqlite3.connect(self._prepared)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        # An engine keeps the queries that it has compiled: most of what a small crawl would cost.
        self.writing = writing_engine(self.path)
        self.reading = reading_engine(self.path)
        self._reader: Connection | None = None

    def renew(self) -> None:
        self._hang_up()
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(self._prepared, self.path)

    def connection(self) -> Connection:
        """One connection a crawl."""
        if self._reader is None:
            self._reader = self.reading.connect()
        return self._reader

    def ledger(self, alive: Alive, death: Death) -> InlineLedger:
        return InlineLedger(InlineSqliteRunner(self, death), alive)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        driver: Any = self.connection().connection.driver_connection
        rows: list[tuple[Any, ...]] = driver.execute(query).fetchall()
        return rows

    def reader(self) -> KeptEngineReader:
        return KeptEngineReader(self.path, self.reading)

    def close(self) -> None:
        self._hang_up()
        self._folder.cleanup()

    def _hang_up(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class PostgresDatabase:
    """One database of the tests' own server, emptied for each crawl."""

    def __init__(self) -> None:
        from postgres_server import the_server

        self._server = the_server()
        self.url = self._server.new_database()
        self._db = psycopg.connect(self.url, autocommit=True)

    def renew(self) -> None:
        self._server.make_empty(self._db)

    def ledger(self, alive: Alive, death: Death) -> InlineLedger:
        return InlineLedger(InlinePostgresRunner(self.url, death), alive)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._db.execute(query.encode()).fetchall()

    def reader(self) -> Any:
        from harvester.ledger.postgres.reader import PostgresReader

        return PostgresReader(self.url)

    def close(self) -> None:
        self._db.close()


Database = SqliteDatabase | PostgresDatabase
DATABASES: dict[str, Callable[[], Database]] = {"sqlite": SqliteDatabase, "postgres": PostgresDatabase}
