"""The reading side of a PostgreSQL ledger: for status, export and verify, beside running crawls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

import psycopg
from psycopg import sql
from sqlalchemy import BigInteger, any_, bindparam, func, select
from sqlalchemy.dialects import postgresql

from harvester.errors import LedgerUnavailable
from harvester.ledger import queries
from harvester.ledger.postgres.connection import clock_lead, damaged_error, ledger_errors, reading_engine
from harvester.ledger.reader import LedgerReader
from harvester.ledger.schema import responses
from harvester.model import RunRecord, StoredResponse
from harvester.support.addresses import name_of

_AT_ONCE = 8
"""Responses fetched in one round trip: some hundred kilobytes."""
# Without SQLAlchemy and in binary, for speed: an export reads all responses, and as text bytes are twice as long.
_RESPONSES = str(
    queries.RESPONSES.where(responses.c.call_id == any_(bindparam("calls", type_=postgresql.ARRAY(BigInteger))))
    .order_by(None)
    .compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
).encode()
_SHARE = select(func.pg_export_snapshot())
_CLOCK = select(func.clock_timestamp())
_NO_SNAPSHOT = ("0A000", "22023", "42704", "55000")
"""Error codes of a snapshot that is unknown, of another database, or released."""


class PostgresReader(LedgerReader):
    """Reads a PostgreSQL ledger from one snapshot, without what runs commit meanwhile: see `LedgerReader`."""

    def __init__(self, url: str, snapshot: str | None = None) -> None:
        """`snapshot`: the name from another reader's `share`, to read from the same snapshot."""
        self._url = url
        self._engine = reading_engine(url)
        with self._reading():
            self._db = self._engine.connect()
            self._db.begin()
            if snapshot is not None:
                self._take(snapshot)

    def share(self) -> str:
        with self._reading():
            return str(self._db.execute(_SHARE).scalar_one())

    def runs(self, newest: int) -> list[RunRecord]:
        """The newest runs. Leases are stored by the server's clock, and returned by this machine's, as all else."""
        with self._reading():
            ahead = clock_lead(lambda: self._db.execute(_CLOCK).scalar_one())
        return [replace(run, lease_until=run.lease_until - ahead) for run in super().runs(newest)]

    def _take(self, snapshot: str) -> None:
        try:
            self._driver.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
        except psycopg.Error as error:
            self.close()
            if error.sqlstate not in _NO_SNAPSHOT:
                raise
            raise LedgerUnavailable(
                f"The ledger {name_of(self._url)} does not have the snapshot that is exported, or no longer.",
                state="What stood there before is as it was; the ledger was only read.",
                next_step="Let all read from one server, see that it did not restart meanwhile, then export again.",
            ) from None

    @property
    def _driver(self) -> psycopg.Connection:
        driver = self._db.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        return driver

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            with ledger_errors(self._url):
                yield
        except ValueError as error:
            # A time, a day or a state that no harvester writes.
            raise damaged_error(self._url, str(error)) from error

    def _read_responses(self, call_ids: Iterable[int]) -> Iterator[StoredResponse]:
        remaining = iter(call_ids)
        with self._driver.cursor(binary=True) as cursor:
            while chunk := list(islice(remaining, _AT_ONCE)):
                rows = cursor.execute(_RESPONSES, {"calls": chunk}).fetchall()
                found = {row[1]: row for row in rows}
                yield from (queries.as_response(found[call_id]) for call_id in chunk if call_id in found)
