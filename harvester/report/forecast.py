"""When a crawl ends: at best, as the quota allows, and at the pace of its last days. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from harvester.model import BATCH_SIZE, QuotaDay
from harvester.plan import days_to_finish, last_day

PACE_DAYS = 7
"""Days from which the pace is calculated."""
MAX_DAYS_AHEAD = 36_500
"""Later dates are meaningless, and Python has none after the year 9999."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the last id is settled, and how many a day."""

    days_left: int
    """Days with calls, today included while it has any left."""
    finishes_on: date
    """At the pace that the quota allows."""
    possible_a_day: int
    """Ids that a whole day's units settle."""
    settled_a_day: float
    """Ids that the last days settled; 0 before the first."""
    finishes_at_pace_on: date | None
    """None if nothing was settled, the first day still has calls, or it is more than MAX_DAYS_AHEAD away."""


def forecast(
    unsettled: int, days: Sequence[QuotaDay], today: QuotaDay, *, calls_left_today: int, calls_a_day: int
) -> Forecast:
    """Look ahead from `today`, by the `days` so far, to the end of `unsettled` ids."""
    days_left = days_to_finish(unsettled, calls_left_today=calls_left_today, calls_a_day=calls_a_day)
    finishes_on = last_day(today.day, days_left, calls_left_today)
    pace = settled_a_day(days, today.day)
    today_still = min(pace - today.fetched - today.missing, calls_left_today * BATCH_SIZE)
    # A first day that is not over gives no pace.
    whole_day_seen = bool(days) and (days[0].day < today.day or not calls_left_today)
    at_pace = _at_pace(unsettled, pace, today.day, max(0.0, today_still))
    return Forecast(
        days_left=days_left,
        finishes_on=finishes_on,
        possible_a_day=calls_a_day * BATCH_SIZE,
        settled_a_day=pace,
        # The pace cannot be higher than the quota allows now.
        finishes_at_pace_on=max(finishes_on, at_pace) if whole_day_seen and at_pace else None,
    )


def _at_pace(unsettled: int, pace: float, today: date, today_still: float) -> date | None:
    """The day on which the last of these ids is settled, if today brings `today_still` more of them."""
    beyond_today = max(0.0, unsettled - today_still)
    days = math.ceil(beyond_today / pace) if pace else math.inf
    return today + timedelta(days=int(days)) if days <= MAX_DAYS_AHEAD else None


def settled_a_day(days: Sequence[QuotaDay], today: date) -> float:
    """Ids fetched or missing a calendar day, in the PACE_DAYS before today; today alone where the crawl began on it.

    Days without a call count too.
    """
    if not days:
        return 0.0
    first = min(days[0].day, today)
    before = min(PACE_DAYS, (today - first).days)
    if not before:
        return sum(day.fetched + day.missing for day in days if day.day == today)
    since = today - timedelta(days=before)
    return sum(day.fetched + day.missing for day in days if since <= day.day < today) / before
