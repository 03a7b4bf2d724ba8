"""Quota days and the instants at which they begin. Pure.

The API's day ends at midnight in `America/Los_Angeles` (Google, "Quota usage"), so it is 23 or 25 hours long
twice a year.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

PACIFIC = ZoneInfo("America/Los_Angeles")

RESET_GRACE = timedelta(minutes=10)
"""The API's clock and ours differ: this long after our midnight, `quotaExceeded` may still be about yesterday."""


def quota_day(now: datetime) -> date:
    """The quota day that `now` falls on."""
    return now.astimezone(PACIFIC).date()


def day_start(day: date) -> datetime:
    """The instant, in UTC, at which that quota day begins."""
    return datetime.combine(day, time.min, PACIFIC).astimezone(UTC)


def resets_at(now: datetime) -> datetime:
    """The next Pacific midnight after `now`, in UTC."""
    return day_start(quota_day(now) + timedelta(days=1))


def seconds_to_another_day(now: datetime, day: date, margin: timedelta) -> float:
    """Seconds until `margin` after the end of `day`; 0 if `now` is before it, because a clock was set back."""
    if quota_day(now) < day:
        return 0.0
    return max(0.0, (day_start(day + timedelta(days=1)) + margin - now).total_seconds())


def just_reset(now: datetime) -> bool:
    """Whether the quota was reset so recently that the API may still count for the day before."""
    return now - day_start(quota_day(now)) < RESET_GRACE
