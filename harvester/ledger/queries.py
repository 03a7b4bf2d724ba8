"""Queries that only read, in SQLAlchemy Core, for both databases."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import BigInteger, Row, Select, and_, bindparam, cast, func, select
from sqlalchemy.dialects import sqlite

from harvester.ledger.records import Removal
from harvester.ledger.schema import (
    calls,
    listings,
    loads,
    pruned_responses,
    prunings,
    quota_days,
    responses,
    runs,
    video_states,
    videos,
)
from harvester.ledger.statistics_queries import NEWER, WITH_CALL, newest_statistics
from harvester.listing_types import ListingKind, ListingRecord, ListingState
from harvester.model import (
    Body,
    Bucket,
    CallState,
    Progress,
    QuotaDay,
    Span,
    Stored,
    StoredResponse,
    VideoState,
)
from harvester.youtube.endpoints import VIDEOS_LIST

T = TypeVar("T")
AnyRow: TypeAlias = Row[*tuple[Any, ...]]
AnyQuery: TypeAlias = Select[*tuple[Any, ...]]

LOOKUP = 500
"""Most ids in one look-up: below the limits of both databases on bound values."""


def moment(text: str) -> datetime:
    """An instant as the ledger writes it."""
    # strptime takes ten times as long.
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not UTC:
        raise ValueError(f"{text!r} is no instant in UTC")
    return moment


STATES = select(video_states.c.code, video_states.c.videos)
OF_VIDEOS = calls.c.endpoint == VIDEOS_LIST.name


def days(bucket: Bucket) -> AnyQuery:
    """The quota days of a bucket, oldest first."""
    return select(quota_days).where(quota_days.c.bucket == bucket).order_by(quota_days.c.day)


# Sums of large integers are decimals to PostgreSQL.
PRUNED = select(
    *(
        cast(func.coalesce(func.sum(prunings.c[name]), 0), BigInteger)
        for name in ("responses", "videos", "raw_bytes", "stored_bytes")
    )
)
# Without reading the responses, which are many times larger than their calls.
_STORED_BY = and_(OF_VIDEOS, calls.c.state == CallState.OK, calls.c.id.not_in(select(pruned_responses.c.call_id)))
PARTS_ASKED = (
    select(calls.c.parts, func.count().label("responses"))
    .where(_STORED_BY)
    .group_by(calls.c.parts)
    .order_by(calls.c.parts)
)
LOADS = select(loads).order_by(loads.c.id)
UNITS_BY_ENDPOINT = select(calls.c.endpoint, func.sum(calls.c.units).label("units")).group_by(calls.c.endpoint)
LISTINGS = (
    select(
        # Without what channels.list said, which is some kilobytes a channel.
        *(column for column in listings.c if column is not listings.c.resource),
        func.coalesce(loads.c.rows, 0).label("found"),
        func.coalesce(loads.c.new, 0).label("new"),
    )
    .join_from(listings, loads, loads.c.id == listings.c.load_id, isouter=True)
    .order_by(listings.c.id)
)
LAST_POSITION = select(func.coalesce(func.max(videos.c.position), 0))
PROGRESS = (STATES, days("default"), PRUNED)
# In load order; the call breaks ties, so that the order is always the same.
RESPONSES = (
    select(calls.c.first_position, *responses.c)
    .select_from(WITH_CALL)
    .order_by(calls.c.first_position, responses.c.call_id)
)
# One at a time and without SQLAlchemy, whose rows would take most of an export's time.
RESPONSE = str(
    RESPONSES.where(responses.c.call_id == bindparam("call_id")).order_by(None).compile(dialect=sqlite.dialect())
)
_LOOK_FROM = select(video_states.c.first_position).where(video_states.c.code == 0).scalar_subquery()
PENDING = (
    select(videos.c.video_id)
    .where(videos.c.position >= _LOOK_FROM, videos.c.state == 0, videos.c.suspect_batch.is_(None))
    .order_by(videos.c.position)
)
SUSPECTS = (
    select(videos.c.suspect_batch, videos.c.video_id)
    .where(videos.c.state == 0, videos.c.suspect_batch.is_not(None))
    .order_by(videos.c.suspect_batch, videos.c.position)
)
FAILED = (
    select(
        videos.c.video_id,
        func.coalesce(calls.c.reason, calls.c.state).label("reason"),
        calls.c.http_status,
        calls.c.finished_at.label("failed_at"),
        videos.c.attempts,
    )
    .join_from(videos, calls, calls.c.id == videos.c.call_id)
    .where(videos.c.state == VideoState.FAILED)
    .order_by(videos.c.position)
)
VIDEO_STATES = select(videos.c.video_id, videos.c.state).order_by(videos.c.position)
RESPONSE_SIZES = (
    select(calls.c.first_position, responses.c.raw_bytes, responses.c.stored_bytes, responses.c.sha256)
    .select_from(WITH_CALL)
    .where(OF_VIDEOS)
    .order_by(calls.c.first_position, responses.c.call_id)
)
SUMS = [func.coalesce(func.sum(responses.c[name]), 0) for name in ("item_count", "raw_bytes", "stored_bytes")]
VIDEO_RESPONSES = select(func.count(), *SUMS).select_from(WITH_CALL).where(OF_VIDEOS)
RESPONSE_TOTALS = VIDEO_RESPONSES.with_only_columns(func.count(), *SUMS[1:])
# By call, which is nearly the order of time: the minimum of the instants would take a pass over all rows.
OLDEST_RESPONSE = (
    select(responses.c.fetched_at).select_from(WITH_CALL).where(OF_VIDEOS).order_by(responses.c.call_id).limit(1)
)
NEWEST_RESPONSE = select(func.max(responses.c.fetched_at))
# By call, which is the order of time for each video: nothing asks for it twice at once.
GOOD_CALLS = select(calls.c.id).where(calls.c.state == CallState.OK).order_by(calls.c.id)


def newest_runs(count: int) -> AnyQuery:
    """The newest runs, and all that have not ended, which are few."""
    newest = select(runs.c.id).order_by(runs.c.id.desc()).limit(count).scalar_subquery()
    return select(runs).where(runs.c.id.in_(newest) | runs.c.ended_at.is_(None)).order_by(runs.c.id.desc())


def listings_in(states: Collection[ListingState]) -> AnyQuery:
    """One of the listings in these states."""
    return select(listings.c.id).where(listings.c.state.in_(states)).limit(1)


def run_calls(run_ids: Collection[int]) -> AnyQuery:
    """How many calls each of the runs has made, and their units. Reads all calls."""
    sums = func.count().label("calls"), cast(func.sum(calls.c.units), BigInteger).label("units")
    return select(calls.c.run_id, *sums).where(calls.c.run_id.in_(run_ids)).group_by(calls.c.run_id)


def faults(limit: int, among_newest: int | None = None) -> AnyQuery:
    """Why calls brought nothing. Reads all calls, or `among_newest` of them, but none of the ids."""
    reason = func.coalesce(calls.c.reason, calls.c.state)
    query = (
        select(
            reason.label("reason"),
            func.count().label("calls"),
            func.sum(calls.c.units).label("units"),
            func.max(calls.c.finished_at).label("last_at"),
        )
        .where(calls.c.bucket == "default", calls.c.state.in_((CallState.FAILED, CallState.ABANDONED)))
        .group_by(reason)
        .order_by(func.count().desc(), reason)
        .limit(limit)
    )
    if among_newest is None:
        return query
    newest = select(func.max(calls.c.id)).correlate(None).scalar_subquery()
    return query.where(calls.c.id > newest - among_newest)


def good_call_times(among_newest: int) -> AnyQuery:
    """Beginning and end of the good calls among the newest ones."""
    newest = select(calls).where(OF_VIDEOS).order_by(calls.c.id.desc()).limit(among_newest).subquery()
    return select(newest.c.started_at, newest.c.finished_at).where(newest.c.state == CallState.OK)


def newest_responses(count: int) -> AnyQuery:
    """The calls of the newest responses that hold any video."""
    query = select(responses.c.call_id).select_from(WITH_CALL).where(OF_VIDEOS, responses.c.item_count > 0)
    return query.order_by(responses.c.call_id.desc()).limit(count)


def find(ids: Sequence[str]) -> AnyQuery:
    """Position, state and last call of ids."""
    return select(videos.c.video_id, videos.c.position, videos.c.state, videos.c.call_id).where(
        videos.c.video_id.in_(ids)
    )


def bodies(call_ids: Sequence[int]) -> AnyQuery:
    """The stored responses of calls."""
    return select(responses).where(responses.c.call_id.in_(call_ids))


def response_order(span: Span) -> AnyQuery:
    """The calls of the responses whose first id is in the span, in load order."""
    return (
        select(responses.c.call_id)
        .select_from(WITH_CALL)
        .where(OF_VIDEOS, calls.c.first_position.between(span.first, span.last))
        .order_by(calls.c.first_position, responses.c.call_id)
    )


_FETCHED_IN_SPAN = and_(
    videos.c.position.between(bindparam("first"), bindparam("last")), videos.c.state == VideoState.FETCHED
)
# Of a span: its ends are bound when they are executed, for building a statement takes longer than a small span's rows.
FETCHED = select(videos.c.video_id, videos.c.call_id).where(_FETCHED_IN_SPAN).order_by(videos.c.position)
FETCHED_ENDS = select(
    *(
        select(videos.c.position).where(_FETCHED_IN_SPAN).order_by(order).limit(1).scalar_subquery()
        for order in (videos.c.position, videos.c.position.desc())
    )
)
# By call, number and sum of the fetched positions in the span, which identify them once it is settled.
_BROUGHT = (
    select(
        videos.c.call_id,
        func.count().label("ids"),
        func.min(videos.c.position).label("first"),
        cast(func.sum(videos.c.position), BigInteger).label("positions"),
    )
    .where(_FETCHED_IN_SPAN)
    .group_by(videos.c.call_id)
    .subquery()
)
INPUTS = (
    select(_BROUGHT, responses.c.sha256, responses.c.fetched_at, newest_statistics(_BROUGHT.c.call_id, NEWER.c.sha256))
    .join_from(_BROUGHT, responses, responses.c.call_id == _BROUGHT.c.call_id, isouter=True)
    .order_by(_BROUGHT.c.call_id)
)


def requeueable(states: Collection[VideoState], reasons: Collection[str] | None) -> AnyQuery:
    """How many ids of each state a requeue would make pending."""
    query = select(videos.c.state, func.count().label("videos")).where(videos.c.state.in_(states))
    if reasons:
        query = query.join(calls, calls.c.id == videos.c.call_id).where(calls.c.reason.in_(reasons))
    return query.group_by(videos.c.state)


def removable(which: Removal) -> AnyQuery:
    """How many ids of each state a removal would remove."""
    query = select(videos.c.state, func.count().label("videos")).where(
        videos.c.state.in_((VideoState.PENDING, VideoState.INVALID)),
        videos.c.attempts == 0,
        videos.c.call_id.is_(None),
    )
    if which.state is not None:
        query = query.where(videos.c.state == which.state)
    if which.load_id is not None:
        query = query.where(videos.c.load_id == which.load_id)
    return query.group_by(videos.c.state)


def other_parts(parts: str) -> AnyQuery:
    """The number of responses with other parts, in a fifth of the time of PARTS_ASKED, which has to sort."""
    return select(func.count()).select_from(calls).where(calls.c.parts != parts, _STORED_BY)


def as_progress(states: Sequence[AnyRow], days: Sequence[AnyRow], pruned: Sequence[AnyRow]) -> Progress:
    """Make a Progress of the rows of states, days and pruned responses."""
    return Progress(
        {VideoState(row.code): row.videos for row in states},
        tuple(as_day(row) for row in days),
        Stored(*pruned[0]),
    )


def as_day(row: AnyRow) -> QuotaDay:
    """Make a QuotaDay of a row, whose columns stand in the order of its fields."""
    day, *counts, closed_at, elsewhere, _, listed = row
    closed_by_server_at = moment(closed_at) if closed_at else None
    return QuotaDay(date.fromisoformat(day), *counts, closed_by_server_at, elsewhere, listed)  # type: ignore[call-arg]


def as_record(kind: type[T], row: AnyRow) -> T:
    """A record whose fields are the columns of the same names."""
    values = {name: row._mapping[name] for name in kind.__annotations__}
    instants = {name: moment(value) for name, value in values.items() if value and name.endswith(("_at", "_until"))}
    return kind(**values | instants)


def as_listing(row: AnyRow) -> ListingRecord:
    """Make a ListingRecord of a row of LISTINGS."""
    record = as_record(ListingRecord, row)
    kind, state = ListingKind(record.kind), ListingState(record.state)
    return replace(record, kind=kind, state=state, capped=bool(record.capped))


def as_body(row: AnyRow) -> Body:
    """Make a Body of a row."""
    return Body(row.body, row.encoding, row.raw_bytes, row.sha256, row.item_count)


def as_response(row: tuple[Any, ...]) -> StoredResponse:
    """The response in a row of RESPONSES."""
    first_position, call_id, encoding, raw_bytes, _, item_count, fetched_at, sha256, data = row
    body = Body(data, encoding, raw_bytes, sha256, item_count)
    return StoredResponse(call_id, first_position, body, moment(fetched_at))
