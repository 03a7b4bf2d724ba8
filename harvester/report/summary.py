"""The crawl's progress against the quota: what is done, and what today still allows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from harvester import quota_calendar
from harvester.config import QuotaSettings
from harvester.errors import ConfigError
from harvester.listing_types import REMOVED, ListingRecord
from harvester.model import Progress, QuotaDay, VideoState
from harvester.report.contradictions import price_hint
from harvester.report.forecast import forecast
from harvester.report.listings import Listings
from harvester.report.listings import as_json as listings_as_json
from harvester.report.wording import iso_utc

OTHER_IDS = "Take them out: harvester remove --invalid. Then load the right column: harvester load SOURCE --column NAME"


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
        self.day = quota_calendar.quota_day(now)
        self.today = progress.day(self.day) or QuotaDay(self.day)
        self.resets_at = quota_calendar.resets_at(now)
        self.daily_units = settings.daily_units
        self.units_per_call = settings.units_per_call
        self.spent = self.today.units
        self.elsewhere = self.today.elsewhere
        """Units that others spent, as entered by a person."""
        self.closed_by_server = self.today.closed_by_server_at is not None
        self.remaining = self.today.remaining(settings.spendable_units)
        self.days_run = sum(1 for day in days if day.calls)
        self.forecast = forecast(
            self.unsettled,
            days,
            self.today,
            calls_left_today=self.remaining // settings.units_per_call,
            calls_a_day=settings.spendable_units // settings.units_per_call,
        )

    @property
    def percent_shown(self) -> float:
        """To one decimal, and 100 only once nothing is left."""
        rounded = round(self.percent, 1)
        return min(rounded, 99.9) if self.unsettled else rounded

    @property
    def no_valid_ids(self) -> str:
        """What is wrong if texts were loaded, none of them is a video id, and no listing will bring any; or empty."""
        return "" if self.listings.unfinished else no_valid_ids(self.total, self.videos)


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
            "days_left": summary.forecast.days_left,
            "finishes_on": summary.forecast.finishes_on.isoformat(),
        },
        "listings": listings_as_json(summary.listings),
        "pace": {
            "videos_a_day": round(summary.forecast.settled_a_day),
            "possible_a_day": summary.forecast.possible_a_day,
            "finishes_on": summary.forecast.finishes_at_pace_on.isoformat()
            if summary.forecast.finishes_at_pace_on
            else None,
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
