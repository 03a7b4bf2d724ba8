"""The crawl's progress against the quota: what is done, what today still allows, when it ends. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from harvester import quota
from harvester.config import QuotaSettings
from harvester.errors import ConfigError
from harvester.listing_types import REMOVED, ListingRecord
from harvester.model import BATCH_SIZE, Progress, QuotaDay, VideoState
from harvester.plan import days_to_finish
from harvester.report.contradictions import price_hint
from harvester.report.days import settled_a_day
from harvester.report.listings import Listings
from harvester.report.listings import as_json as listings_as_json
from harvester.report.wording import iso_utc

OTHER_IDS = "Take them out: harvester remove --invalid. Then load the right column: harvester load SOURCE --column NAME"
MAX_DAYS_AHEAD = 36_500
"""Later dates are meaningless, and Python has none after the year 9999."""


class Summary:
    """The figures of `harvester status`, ahead from the quota day of `now`. Units are API quota units, sizes bytes."""

    def __init__(
        self, progress: Progress, settings: QuotaSettings, now: datetime, listings: Sequence[ListingRecord] = ()
    ) -> None:
        days = progress.days
        self.progress = progress
        self.videos = progress.videos
        self.total = progress.total
        self.asked_for = progress.asked_for
        self.unsettled = progress.asked_for - progress.settled
        self.percent = 100 * progress.settled / progress.asked_for if progress.asked_for else 0.0
        self.calls = progress.calls
        self.calls_ok = sum(day.ok for day in days)
        self.calls_failed = sum(day.failed for day in days)
        self.calls_abandoned = sum(day.abandoned for day in days)
        self.calls_wasted = self.calls_failed + self.calls_abandoned
        """Calls that brought nothing."""
        self.calls_open = self.calls - self.calls_ok - self.calls_wasted
        """Calls under way, or of a killed run."""
        self.responses = progress.responses
        self.raw_bytes = sum(day.raw_bytes for day in days) - progress.pruned.raw_bytes
        self.stored_bytes = sum(day.stored_bytes for day in days) - progress.pruned.stored_bytes
        self.listings = Listings([each for each in listings if each.reason != REMOVED])
        self.is_done = not self.unsettled and not self.listings.unfinished
        """Whether no id is left to settle, and no listing to read."""
        self.price_hint = price_hint(days, settings)
        """How the days contradict the set price, and what to set; empty if they don't."""
        self.newest_day = days[-1].day if days else None
        """The last quota day that the ledger knows; later than `day` where a clock is or was wrong."""
        self.day = quota.quota_day(now)
        self.today = progress.day(self.day) or QuotaDay(self.day)
        self.resets_at = quota.resets_at(now)
        self.daily_units = settings.daily_units
        self.units_per_call = settings.units_per_call
        self.spent = self.today.units
        self.elsewhere = self.today.elsewhere
        """Units that others spent, as entered by a person."""
        self.closed_by_server = self.today.closed_by_server_at is not None
        self.remaining = self.today.remaining(settings.spendable_units)
        self._look_ahead(settings.spendable_units // settings.units_per_call)

    def _look_ahead(self, calls_a_day: int) -> None:
        days, today = self.progress.days, self.today
        calls_left_today = self.remaining // self.units_per_call
        self.days_run = sum(1 for day in days if day.calls)
        self.days_left = days_to_finish(self.unsettled, calls_left_today=calls_left_today, calls_a_day=calls_a_day)
        # Today counts as a day left only while it has calls left.
        ahead = self.days_left - (1 if calls_left_today and self.days_left else 0)
        self.finishes_on = self.day + timedelta(days=ahead)
        """At the pace that the quota allows."""
        self.possible_a_day = calls_a_day * BATCH_SIZE
        """Ids that a whole day's units settle."""
        self.settled_a_day = settled_a_day(days, self.day)
        """Ids that the last days settled; 0 before the first."""
        today_still = min(self.settled_a_day - today.fetched - today.missing, calls_left_today * BATCH_SIZE)
        # A first day that is not over gives no pace.
        whole_day_seen = bool(days) and (days[0].day < self.day or not calls_left_today)
        at_pace = _at_pace(self.unsettled, self.settled_a_day, self.day, max(0.0, today_still))
        # The pace cannot be higher than the quota allows now.
        self.finishes_at_pace_on = max(self.finishes_on, at_pace) if whole_day_seen and at_pace else None
        """None if nothing was settled, the first day still has calls, or it is more than MAX_DAYS_AHEAD away."""

    @property
    def percent_shown(self) -> float:
        """To one decimal, and 100 only once nothing is left."""
        rounded = round(self.percent, 1)
        return min(rounded, 99.9) if self.unsettled else rounded

    @property
    def no_valid_ids(self) -> str:
        """What is wrong if texts were loaded, none of them is a video id, and no listing will bring any; or empty."""
        return "" if self.listings.unfinished else no_valid_ids(self.total, self.videos)


def _at_pace(unsettled: int, pace: float, today: date, today_still: float) -> date | None:
    """The day on which the last of these ids is settled, if today brings `today_still` more of them."""
    beyond_today = max(0.0, unsettled - today_still)
    days = math.ceil(beyond_today / pace) if pace else math.inf
    return today + timedelta(days=int(days)) if days <= MAX_DAYS_AHEAD else None


def as_json(summary: Summary) -> dict[str, Any]:
    """Return what `harvester status --json` prints. Keys may be added, never renamed."""
    return {
        "videos": {"total": summary.total} | {state.label: summary.videos[state] for state in VideoState},
        "calls": {
            "total": summary.calls,
            "ok": summary.calls_ok,
            "failed": summary.calls_failed,
            "abandoned": summary.calls_abandoned,
            "open": summary.calls_open,
        },
        "quota": {
            "day": summary.day.isoformat(),
            "daily_units": summary.daily_units,
            "units_per_call": summary.units_per_call,
            "spent": summary.spent,
            "spent_by_others": summary.elsewhere,
            "remaining": summary.remaining,
            "closed_by_server": summary.closed_by_server,
            "resets_at": iso_utc(summary.resets_at),
        },
        "responses": {
            "count": summary.responses,
            "raw_bytes": summary.raw_bytes,
            "stored_bytes": summary.stored_bytes,
        },
        "progress": {
            "percent": summary.percent_shown,
            "days_run": summary.days_run,
            "days_left": summary.days_left,
            "finishes_on": summary.finishes_on.isoformat(),
        },
        "listings": listings_as_json(summary.listings),
        "pace": {
            "videos_a_day": round(summary.settled_a_day),
            "possible_a_day": summary.possible_a_day,
            "finishes_on": summary.finishes_at_pace_on.isoformat() if summary.finishes_at_pace_on else None,
        },
    }


def no_valid_ids(total: int, videos: Mapping[VideoState, int]) -> str:
    """Return what is wrong with a ledger that holds texts and not one video id; empty if there is one."""
    if not total or videos[VideoState.INVALID] < total:
        return ""
    texts = "the one text in it is" if total == 1 else f"all {total:,} texts in it are"
    return f"There is no video id in the ledger: {texts} invalid."


def refuse_without_ids(summary: Summary) -> None:
    """Raise ConfigError if texts were loaded and none of them is a video id."""
    if all_invalid := summary.no_valid_ids:
        raise ConfigError(all_invalid, state="Nothing was sent.", next_step=OTHER_IDS)
