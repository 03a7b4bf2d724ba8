"""The reading side of a ledger: what is the same for every database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, Self

from sqlalchemy import Connection, CursorResult, Engine

from harvester.ledger import queries, refresh_queries, statistics_queries
from harvester.ledger.records import LoadRecord, PartsAsked, Removal
from harvester.listing_types import ListingRecord
from harvester.model import (
    EVERYTHING,
    Bucket,
    FailedId,
    FaultCount,
    Progress,
    QuotaDay,
    ResponseSize,
    RunCalls,
    RunRecord,
    Span,
    Stored,
    StoredResponse,
    VideoState,
)


class LedgerReader(ABC):
    """One snapshot of a ledger in either database, however long it is read: everything is read in one transaction."""

    _engine: Engine
    _db: Connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def share(self) -> str | None:
        """Return a name by which others can read from the same snapshot, while this reader is open.

        None where the database can't do that.
        """
        return None

    def progress(self) -> Progress:
        """Return the counts by state, and the days of the default bucket."""
        with self._reading():
            return queries.as_progress(*(self._db.execute(query).all() for query in queries.PROGRESS))

    def runs(self, newest: int) -> list[RunRecord]:
        """Return up to `newest` of the newest runs, and all that have not ended; newest first."""
        with self._reading():
            return [queries.as_record(RunRecord, row) for row in self._db.execute(queries.newest_runs(newest))]

    def calls_of_runs(self, run_ids: Collection[int]) -> dict[int, RunCalls]:
        """Return the calls of those of the runs that have made any."""
        with self._reading():
            return {row.run_id: RunCalls(row.calls, row.units) for row in self._db.execute(queries.run_calls(run_ids))}

    def loads(self) -> list[LoadRecord]:
        """Return every source that was read into the ledger, in order."""
        with self._reading():
            return [queries.as_record(LoadRecord, row) for row in self._db.execute(queries.LOADS)]

    def listings(self) -> list[ListingRecord]:
        """Return every channel and playlist whose videos are to be found, in order."""
        with self._reading():
            return [queries.as_listing(row) for row in self._db.execute(queries.LISTINGS)]

    def units_by_endpoint(self) -> dict[str, int]:
        """Return the units that calls of each endpoint cost, since the first."""
        with self._reading():
            return {row.endpoint: int(row.units) for row in self._db.execute(queries.UNITS_BY_ENDPOINT)}

    def removable(self, which: Removal) -> dict[VideoState, int]:
        """Return how many ids of each state `Ledger.remove` would take out."""
        with self._reading():
            return {VideoState(row.state): row.videos for row in self._db.execute(queries.removable(which))}

    def last_position(self) -> int:
        """Return the position of the newest id, 0 in an empty ledger."""
        with self._reading():
            return int(self._db.execute(queries.LAST_POSITION).scalar_one())

    def faults(self, limit: int, among_newest: int | None = None) -> list[FaultCount]:
        """Return why calls of the default bucket brought nothing, up to `limit` reasons, the most frequent first.

        `among_newest`: of so many of the newest calls. None: of all.
        """
        with self._reading():
            return [queries.as_record(FaultCount, row) for row in self._db.execute(queries.faults(limit, among_newest))]

    def failed(self, limit: int | None = None) -> Iterator[FailedId]:
        """Yield the ids that were given up, or the first of them, in load order, streamed."""
        with self._reading(), self._streamed(queries.FAILED.limit(limit)) as rows:
            yield from (queries.as_record(FailedId, row) for row in rows)

    def good_call_seconds(self, among_newest: int) -> list[float]:
        """Return how many seconds the good ones of so many of the newest calls took, from claim to settlement."""
        with self._reading():
            times = self._db.execute(queries.good_call_times(among_newest))
            # A clock that was set back must not give negative seconds.
            return [max(0.0, (queries.moment(end) - queries.moment(start)).total_seconds()) for start, end in times]

    def newest_responses(self, count: int) -> Iterator[StoredResponse]:
        """Yield up to `count` stored responses that hold any video, newest first."""
        with self._reading():
            newest = self._db.execute(queries.newest_responses(count)).scalars().all()
            yield from self._read_responses(newest)

    def responses(self, span: Span = EVERYTHING) -> Iterator[StoredResponse]:
        """Yield the stored responses whose first id lies in `span`, in load order, streamed."""
        with self._reading():
            # The order is read first, without the bodies: sorting those would need room for all of them.
            order = array("q", self._db.execute(queries.response_order(span)).scalars())
            yield from self._read_responses(order)

    def fetched(self, span: Span, size: int) -> Iterator[Sequence[tuple[str, int]]]:
        """Yield the fetched ids of `span` in load order, each with the call that brought it, up to `size` at a time."""
        with self._reading(), self._streamed(queries.FETCHED, size, asdict(span)) as query:
            for rows in query.partitions(size):
                yield [(row[0], row[1]) for row in rows]

    def fetched_ends(self, span: Span) -> tuple[int, int] | None:
        """Return the first and the last position in `span` that is fetched; None if none is."""
        with self._reading():
            first, last = self._db.execute(queries.FETCHED_ENDS, asdict(span)).one()
            return None if first is None else (first, last)

    def inputs(self, span: Span) -> Iterator[tuple[object, ...]]:
        """What the fetched videos of `span` are made of, without reading a body: a row for each call that brought any.

        The same rows, of the same ledger, mean the same videos with the same content in the same order.
        """
        with self._reading(), self._streamed(queries.INPUTS, values=asdict(span)) as rows:
            yield from (tuple(row) for row in rows)

    def unknown(self, ids: Sequence[str]) -> list[str]:
        """Return those of the ids that are not in the ledger."""
        with self._reading():
            known: set[str] = set()
            for start in range(0, len(ids), queries.LOOKUP):
                found = self._db.execute(queries.find(ids[start : start + queries.LOOKUP]))
                known.update(row.video_id for row in found)
            return [video_id for video_id in ids if video_id not in known]

    def bodies(self, call_ids: Sequence[int]) -> Iterator[StoredResponse]:
        """Yield the stored responses of those calls, in any order."""
        with self._reading():
            yield from self._read_responses(call_ids)

    def sizes(self) -> Iterator[ResponseSize]:
        """Yield position and bytes of every stored response, in load order."""
        with self._reading(), self._streamed(queries.RESPONSE_SIZES) as rows:
            yield from (ResponseSize(*row) for row in rows)

    def totals(self) -> tuple[int, int, int]:
        """Return how many responses are stored, and their bytes, plain and as stored."""
        with self._reading():
            count, raw_bytes, stored_bytes = self._db.execute(queries.RESPONSE_TOTALS).one()
            return count, raw_bytes, stored_bytes

    def newest_response(self) -> datetime | None:
        """Return when the newest stored response was fetched, or the newest statistics; None without any."""
        with self._reading():
            newest = self._db.execute(queries.NEWEST_RESPONSE).scalar()
            return queries.moment(newest) if newest else None

    def pending(self, size: int) -> Iterator[tuple[str, ...]]:
        """Yield the ids that are still to be asked for, at most `size` at a time, as a run would claim them.

        Halves of split batches come first, each by itself; then all others in load order.
        """
        with self._reading():
            suspects = self._db.execute(queries.SUSPECTS).all()
            for _, group in groupby(suspects, key=attrgetter("suspect_batch")):
                ids = tuple(row.video_id for row in group)
                yield from (ids[start : start + size] for start in range(0, len(ids), size))
            with self._streamed(queries.PENDING, size) as query:
                for rows in query.partitions(size):
                    yield tuple(row.video_id for row in rows)

    def states(self) -> Iterator[tuple[str, VideoState]]:
        """Every id with its state, in load order."""
        with self._reading(), self._streamed(queries.VIDEO_STATES) as rows:
            yield from ((row.video_id, VideoState(row.state)) for row in rows)

    def requeueable(self, states: Collection[VideoState], reasons: Collection[str] | None) -> dict[VideoState, int]:
        """Return how many ids of each state `Ledger.requeue` would make pending again."""
        with self._reading():
            found = {row.state: row.videos for row in self._db.execute(queries.requeueable(states, reasons))}
            return {state: found.get(state, 0) for state in states}

    def older(self, before: datetime, parts: str | None = None) -> Stored:
        """Return what `Ledger.prune` would delete, or `Ledger.old_responses` gives."""
        with self._reading():
            return Stored(*self._db.execute(refresh_queries.older(before, parts)).one())

    def calls_to_refresh(self, before: datetime, parts: str | None = None) -> int:
        """Return how many of those responses hold any video."""
        with self._reading():
            return int(self._db.execute(refresh_queries.calls_to_refresh(before, parts)).scalar_one())

    def other_parts(self, parts: str) -> int:
        """Return how many stored responses were surely asked for with other parts than these, comma-separated."""
        with self._reading():
            return int(self._db.execute(queries.other_parts(parts)).scalar_one())

    def parts_asked(self) -> list[PartsAsked]:
        """Return with which parts the stored responses were asked for."""
        with self._reading():
            return [PartsAsked(row.parts, row.responses) for row in self._db.execute(queries.PARTS_ASKED)]

    def older_statistics(self, before: datetime) -> Stored:
        """Return the responses, and their videos, whose newest statistics were fetched before `before`."""
        with self._reading():
            responses, videos = self._db.execute(refresh_queries.older_statistics(before)).one()
            return Stored(responses, videos)

    def days(self, bucket: Bucket) -> list[QuotaDay]:
        """Return the quota days of that bucket, oldest first."""
        with self._reading():
            return [queries.as_day(row) for row in self._db.execute(queries.days(bucket))]

    def day(self, bucket: Bucket, day: date) -> QuotaDay:
        """Return that quota day; one on which nothing was spent where the ledger has none."""
        return next((kept for kept in self.days(bucket) if kept.day == day), QuotaDay(day))

    def has_statistics(self) -> bool:
        """Return whether any statistics that were fetched by themselves are stored."""
        with self._reading():
            return self._db.execute(statistics_queries.HAS_STATISTICS).first() is not None

    def statistics(self, call_ids: Sequence[int]) -> Iterator[StoredResponse]:
        """Yield the newest statistics, fetched by themselves, of each of those calls; `call_id` is that call."""
        with self._reading():
            for row in self._db.execute(statistics_queries.statistics(call_ids)):
                yield StoredResponse(row.of_call, 0, queries.as_body(row), queries.moment(row.fetched_at))

    def old_statistics(self, before: datetime) -> int:
        """Return how many `Ledger.old_statistics` gives."""
        with self._reading():
            return len(self._db.execute(statistics_queries.old_statistics(before)).all())

    def history_size(self) -> int:
        """Return how many answers with statistics alone are stored."""
        with self._reading():
            return int(self._db.execute(statistics_queries.HISTORY_SIZE).scalar_one())

    def history(self) -> Iterator[StoredResponse]:
        """Yield every stored answer that may hold statistics, oldest call first, streamed: of videos, and of statistics
        alone."""
        with self._reading():
            yield from self._read_responses(array("q", self._db.execute(queries.GOOD_CALLS).scalars()))

    def newest_statistics(self) -> datetime | None:
        """Return when statistics were last fetched by themselves; None if they never were."""
        with self._reading():
            newest = self._db.execute(statistics_queries.NEWEST_STATISTICS).scalar()
            return queries.moment(newest) if newest else None

    def response_calls(self) -> Sequence[int]:
        """Return the calls whose responses with videos are stored, in load order."""
        with self._reading():
            return array("q", self._db.execute(queries.response_order(EVERYTHING)).scalars())

    def history_calls(self, call_id: int, most: int) -> list[int]:
        """Return the calls that brought counts of the videos of that call, oldest first: itself, and at most `most`
        newest ones for statistics alone, also for the responses that its own has replaced."""
        with self._reading():
            chain = [call_id]
            while (before := self._db.execute(statistics_queries.replaced_by(chain[-1])).scalar()) is not None:
                chain.append(before)
            newest = self._db.execute(statistics_queries.statistics_calls(chain, most)).scalars()
            return sorted([call_id, *newest])

    def oldest_response(self) -> datetime | None:
        """Return when the response of the earliest call was fetched: later ones are hardly ever older. None: no
        response is stored."""
        with self._reading():
            oldest = self._db.execute(queries.OLDEST_RESPONSE).scalar()
            return queries.moment(oldest) if oldest else None

    def findings(self) -> list[str]:
        """Return what is not consistent, a sentence each; empty if the ledger is consistent."""
        from harvester.ledger import verify

        with self._reading():
            return list(verify.findings(self._db))

    def close(self) -> None:
        """Release the snapshot and close the connection."""
        self._db.close()
        self._engine.dispose()

    @contextmanager
    def _streamed(
        self, query: queries.AnyQuery, size: int = 5000, values: Mapping[str, int] | None = None
    ) -> Iterator[CursorResult[*tuple[Any, ...]]]:
        """Stream the rows of a query, `size` at a time; the cursor is closed also where the caller stops halfway."""
        with closing(self._db.execution_options(yield_per=size).execute(query, values)) as rows:
            yield rows

    @abstractmethod
    def _reading(self) -> AbstractContextManager[None]:
        """Turn the database's errors into harvester's."""

    @abstractmethod
    def _read_responses(self, call_ids: Iterable[int]) -> Iterator[StoredResponse]:
        """The stored responses of those calls, in that order."""
