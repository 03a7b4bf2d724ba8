"""The plan of a crawl: its calls, units, days and stored bytes. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from harvester.model import BATCH_SIZE
from harvester.quota_calendar import quota_day

SECONDS_PER_CALL = 2.0
"""The course's figure for one call; real ones take 0.1 to 0.5 s."""

STORED_BYTES_PER_CALL = 50_000
"""Measured: 50 videos with five parts are about 250 KB, 50 KB gzipped, as they are stored."""
LEDGER_BYTES_PER_VIDEO = 60
"""An id with its index entry; 46 bytes before its crawl (measured: docs/scaling.md)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls, units and days of a crawl, or of what is left of one."""

    videos: int
    units_per_call: int
    calls: int
    units: int
    calls_a_day: int
    videos_a_day: int
    days: int
    begins_on: date
    finishes_on: date
    hours_one_by_one: float
    hours_at_concurrency: float
    concurrency: int
    stored_bytes: int


def make_plan(
    videos: int,
    *,
    daily_units: int,
    units_per_call: int,
    concurrency: int,
    now: datetime,
    units_left_today: int | None = None,
) -> Plan:
    """Plan `videos` ids from the quota day of `now` on, of which nothing is spent unless `units_left_today` says so.

    `daily_units` is what may be spent a day. Hours are at SECONDS_PER_CALL a call.
    """
    calls = math.ceil(videos / BATCH_SIZE)
    calls_a_day = daily_units // units_per_call
    calls_left_today = calls_a_day if units_left_today is None else units_left_today // units_per_call
    days = days_to_finish(videos, calls_left_today=calls_left_today, calls_a_day=calls_a_day)
    begins_on = quota_day(now) + timedelta(days=0 if calls_left_today else 1)
    hours = calls * SECONDS_PER_CALL / 3600
    return Plan(
        videos=videos,
        units_per_call=units_per_call,
        calls=calls,
        units=calls * units_per_call,
        calls_a_day=calls_a_day,
        videos_a_day=calls_a_day * BATCH_SIZE,
        days=days,
        begins_on=begins_on,
        finishes_on=max(begins_on, last_day(quota_day(now), days, calls_left_today)),
        hours_one_by_one=hours,
        hours_at_concurrency=hours / concurrency,
        concurrency=concurrency,
        stored_bytes=calls * STORED_BYTES_PER_CALL + videos * LEDGER_BYTES_PER_VIDEO,
    )


def days_to_finish(pending: int, *, calls_left_today: int, calls_a_day: int) -> int:
    """Quota days that `pending` ids still take, including today while it has calls left."""
    calls = math.ceil(pending / BATCH_SIZE)
    if calls == 0:
        return 0
    beyond_today = max(0, calls - calls_left_today)
    return (1 if calls_left_today > 0 else 0) + math.ceil(beyond_today / calls_a_day)


def last_day(today: date, days: int, calls_left_today: int) -> date:
    """The last of so many quota days with calls. Today is one of them while it has calls left."""
    return today + timedelta(days=days - (1 if days and calls_left_today > 0 else 0))
