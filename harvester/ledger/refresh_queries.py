"""Which stored responses are old: what a refresh fetches again and a prune deletes. They read only."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select

from harvester.ledger.queries import OF_VIDEOS, SUMS, VIDEO_RESPONSES, AnyQuery
from harvester.ledger.schema import calls, responses
from harvester.ledger.statistics_queries import STATISTICS_AT, WITH_CALL
from harvester.ledger.transactions.transaction import instant
from harvester.model import BatchKind


def _old(before: datetime, parts: str | None) -> ColumnElement[bool]:
    """A condition on responses joined with their calls: fetched before `before` and, if given, with other parts."""
    old = responses.c.fetched_at < instant(before)
    return old if parts is None else and_(old, calls.c.parts != parts)


def _old_statistics(before: datetime) -> ColumnElement[bool]:
    """A condition on responses with videos: the newest statistics were fetched before `before`."""
    return and_(responses.c.item_count > 0, instant(before) > STATISTICS_AT)


def old_responses(before: datetime, after_call: int, limit: int, parts: str | None, kind: BatchKind) -> AnyQuery:
    """The oldest calls, after `after_call`, whose responses a refresh would fetch again."""
    old = _old_statistics(before) if kind is BatchKind.STATISTICS else _old(before, parts)
    return (
        select(calls.c.id, (calls.c.last_position - calls.c.first_position + 1).label("position_span"))
        .select_from(WITH_CALL)
        .where(OF_VIDEOS, responses.c.call_id > after_call, old)
        .order_by(responses.c.call_id)
        .limit(limit)
    )


def older_statistics(before: datetime) -> AnyQuery:
    """The number of responses, and of videos, whose newest statistics are older."""
    return VIDEO_RESPONSES.where(_old_statistics(before)).with_only_columns(func.count(), SUMS[0])


def older(before: datetime, parts: str | None = None) -> AnyQuery:
    """The number and sizes of responses that are older than `before` and, if `parts`, have other parts."""
    return VIDEO_RESPONSES.where(_old(before, parts))


def calls_to_refresh(before: datetime, parts: str | None = None) -> AnyQuery:
    """How many of those responses hold any video."""
    return older(before, parts).where(responses.c.item_count > 0).with_only_columns(func.count())
