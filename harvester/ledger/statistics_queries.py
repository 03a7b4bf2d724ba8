"""Queries about statistics that were fetched by themselves. They read only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, exists, func, not_, select

from harvester.ledger.schema import calls, responses
from harvester.ledger.transactions.transaction import instant
from harvester.model import CallState
from harvester.youtube.endpoints import VIDEOS_BATCH_GET_STATS

T = TypeVar("T")
_Query: TypeAlias = Select[*tuple[Any, ...]]

WITH_CALL = responses.join(calls, calls.c.id == responses.c.call_id)
# The second condition is that of ix_calls_of_call.
_OF_STATISTICS = and_(calls.c.endpoint == VIDEOS_BATCH_GET_STATS.name, calls.c.of_call.is_not(None))
# By response, then by time: those of one response stand together.
STATISTICS = (
    select(calls.c.of_call, *responses.c)
    .select_from(WITH_CALL)
    .where(_OF_STATISTICS)
    .order_by(calls.c.of_call, calls.c.id)
)
HISTORY_SIZE = STATISTICS.with_only_columns(func.count()).order_by(None)
HAS_STATISTICS = STATISTICS.with_only_columns(calls.c.id).limit(1)
NEWEST_STATISTICS = (
    select(calls.c.finished_at)
    .where(_OF_STATISTICS, calls.c.state == CallState.OK)
    .order_by(calls.c.id.desc())
    .limit(1)
)
NEWER, _newer_calls = responses.alias(), calls.alias()


def newest_statistics(of_call: ColumnElement[int], column: ColumnElement[T]) -> ScalarSelect[T]:
    """A column of the newest statistics that are stored of a response. Reads the index from its end."""
    return (
        select(column)
        .join_from(_newer_calls, NEWER, NEWER.c.call_id == _newer_calls.c.id)
        .where(_newer_calls.c.of_call == of_call, _newer_calls.c.endpoint == VIDEOS_BATCH_GET_STATS.name)
        .order_by(_newer_calls.c.id.desc())
        .limit(1)
        .correlate_except(NEWER, _newer_calls)
        .scalar_subquery()
    )


STATISTICS_AT = func.coalesce(newest_statistics(responses.c.call_id, NEWER.c.fetched_at), responses.c.fetched_at)


def statistics(call_ids: Sequence[int]) -> _Query:
    """The newest statistics of each of the responses of calls."""
    brought = calls.alias()
    newest = newest_statistics(brought.c.id, NEWER.c.call_id)
    return (
        select(brought.c.id.label("of_call"), *responses.c)
        .join_from(brought, responses, responses.c.call_id == newest)
        .where(brought.c.id.in_(call_ids))
    )


def replaced_by(call_id: int) -> _Query:
    """The call whose response that of this call has replaced."""
    return select(calls.c.of_call).where(calls.c.id == call_id)


def statistics_calls(of_calls: Sequence[int], most: int) -> _Query:
    """The calls of the newest stored statistics of these responses."""
    found = select(calls.c.id).select_from(WITH_CALL).where(_OF_STATISTICS, calls.c.of_call.in_(of_calls))
    return found.order_by(calls.c.id.desc()).limit(most)


def old_statistics(before: datetime) -> _Query:
    """The calls whose statistics were fetched before `before`, but for the newest of a response that is stored."""
    of_call = responses.alias()
    is_stored = exists().where(of_call.c.call_id == calls.c.of_call).correlate(calls)
    is_newest = calls.c.id == newest_statistics(calls.c.of_call, _newer_calls.c.id)
    return (
        select(calls.c.id)
        .select_from(WITH_CALL)
        .where(_OF_STATISTICS)
        # When the call ended is when they were fetched: the responses themselves need not be read.
        .where(calls.c.finished_at < instant(before), not_(and_(is_stored, is_newest)))
        .order_by(calls.c.id)
    )
