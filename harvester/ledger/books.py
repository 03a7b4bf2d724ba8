"""The reading side of a SQLite ledger: for status, export and verify, beside a running crawl."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Self

from harvester.ledger import audit, reading
from harvester.ledger.connect import ledger_errors, reading_engine
from harvester.model import Progress, RunRecord, StoredResponse, VideoState

BODIES_AT_ONCE = 16
"""Responses read in one go: about a megabyte, as they are stored."""


class SqliteBooks:
    """See `Books`. Everything is read from one snapshot: what a run commits meanwhile is not seen."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = reading_engine(path)
        with ledger_errors(path):
            self._db = self._engine.connect()
            self._db.begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def progress(self) -> Progress:
        with ledger_errors(self._path):
            states = self._db.execute(reading.STATES).all()
            return reading.as_progress(states, self._db.execute(reading.DAYS).all())

    def runs(self, newest: int) -> list[RunRecord]:
        with ledger_errors(self._path):
            return [reading.as_run(row) for row in self._db.execute(reading.newest_runs(newest))]

    def responses(self) -> Iterator[StoredResponse]:
        with ledger_errors(self._path):
            # The order is read first, without the bodies: sorting those would need room for all of them.
            order = iter(self._db.execute(reading.RESPONSE_ORDER).scalars().all())
            while call_ids := list(islice(order, BODIES_AT_ONCE)):
                yield from self._read_responses(call_ids)

    def pending(self, size: int) -> Iterator[tuple[str, ...]]:
        with ledger_errors(self._path):
            suspects = self._db.execute(reading.SUSPECTS).all()
            for _, group in groupby(suspects, key=attrgetter("suspect_batch")):
                ids = tuple(row.video_id for row in group)
                yield from (ids[start : start + size] for start in range(0, len(ids), size))
            for rows in self._db.execution_options(yield_per=size).execute(reading.PENDING).partitions(size):
                yield tuple(row.video_id for row in rows)

    def states(self) -> Iterator[tuple[str, VideoState]]:
        """Every id with its state, in load order."""
        with ledger_errors(self._path):
            for row in self._db.execution_options(yield_per=5000).execute(reading.VIDEO_STATES):
                yield row.video_id, VideoState(row.state)

    def findings(self) -> list[str]:
        with ledger_errors(self._path):
            return list(audit.findings(self._db))

    def close(self) -> None:
        self._db.close()
        self._engine.dispose()

    def _read_responses(self, call_ids: Sequence[int]) -> list[StoredResponse]:
        return [reading.as_response(row) for row in self._db.execute(reading.stored_responses(call_ids))]
