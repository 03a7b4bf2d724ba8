"""The crawl's progress against the quota: what is done, what today still allows, when it ends. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from harvester import quota
from harvester.config import QuotaSettings
from harvester.errors import ConfigError
from harvester.listing import REMOVED, ListingRecord
from harvester.model import BATCH_SIZE, Progress, QuotaDay, VideoState
from harvester.report.days import settled_a_day
from harvester.report.hints import price_hint
from harvester.report.listings import NO_LISTINGS, Listings
from harvester.report.listings import as_json as listings_as_json
from harvester.report.wording import iso_utc

OTHER_IDS = "Take them out: harvester remove --invalid. Then load the right column: harvester load SOURCE --column NAME"
MAX_DAYS_AHEAD = 36_500
"""Later dates are meaningless, and Python has none after the year 9999."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of `harvester status`. Units are API quota units; sizes are bytes."""

    videos: dict[VideoState, int]
    total: int
    calls: int
    calls_ok: int
    calls_failed: int
    calls_abandoned: int
    day: date
    daily_units: int
    units_per_call: int
    spent: int
    elsewhere: int
    """Units that others spent, as entered by a person."""
    remaining: int
    closed_by_server: bool
    resets_at: datetime
    responses: int
    raw_bytes: int
    stored_bytes: int
    percent: float
    days_run: int
    days_left: int
    finishes_on: date
    """At the pace that the quota allows."""
    possible_a_day: int
    """Ids that a whole day's units settle."""
    settled_a_day: float
    """Ids that the last days settled; 0 before the first."""
    finishes_at_pace_on: date | None
    """None if nothing was settled, the first day still has calls, or it is more than MAX_DAYS_AHEAD away."""
    newest_day: date | None = None
    """The last quota day that the ledger knows; later than `day` where a clock is or was wrong."""
    today: QuotaDay | None = None
    """The ledger's counts of `day`; None before its first call."""
    price_hint: str = ""
    """How the days contradict the set price, and what to set; empty if they don't."""
    listings: Listings = NO_LISTINGS
    """The channels and playlists."""

    @property
    def percent_shown(self) -> float:
        """To one decimal, and 100 only once nothing is left."""
        rounded = round(self.percent, 1)
        return min(rounded, 99.9) if self.unsettled else rounded

    @property
    def calls_wasted(self) -> int:
        """Calls that brought nothing."""
        return self.calls_failed + self.calls_abandoned

    @property
    def calls_open(self) -> int:
        """Calls under way, or of a killed run."""
        return self.calls - self.calls_ok - self.calls_failed - self.calls_abandoned

    @property
    def asked_for(self) -> int:
        """Ids that can be sent to the API: all but the invalid ones."""
        return self.total - self.videos[VideoState.INVALID]

    @property
    def unsettled(self) -> int:
        """Ids that still have to be settled."""
        return self.videos[VideoState.PENDING] + self.videos[VideoState.CLAIMED]

    @property
    def no_valid_ids(self) -> str:
        """What is wrong if texts were loaded, none of them is a video id, and no listing will bring any; or empty."""
        return "" if self.listings.unfinished else no_valid_ids(self.total, self.videos)

    @property
    def is_done(self) -> bool:
        """Whether no id is left to settle, and no listing to read."""
        return not self.unsettled and not self.listings.unfinished


def summarize(
    progress: Progress, settings: QuotaSettings, now: datetime, listings: Sequence[ListingRecord] = ()
) -> Summary:
    """Sum `progress` up and look ahead from the quota day of `now`."""
    day = quota.quota_day(now)
    today = progress.day(day) or QuotaDay(day)
    limit = settings.spendable_units
    remaining = today.remaining(limit)
    unsettled = progress.asked_for - progress.settled
    calls_left_today = remaining // settings.units_per_call
    calls_a_day = limit // settings.units_per_call
    days_left = quota.days_to_finish(unsettled, calls_left_today=calls_left_today, calls_a_day=calls_a_day)
    pace = settled_a_day(progress.days, day)
    # Today counts as a day left only while it has calls left.
    ahead = days_left - (1 if calls_left_today and days_left else 0)
    finishes_on = day + timedelta(days=ahead)
    today_still = max(0.0, min(pace - today.fetched - today.missing, calls_left_today * BATCH_SIZE))
    # A first day that is not over gives no pace.
    whole_day_seen = bool(progress.days) and (progress.days[0].day < day or not calls_left_today)
    at_pace = _at_pace(unsettled, pace, day, today_still) if whole_day_seen else None
    return Summary(
        videos=progress.videos,
        total=progress.total,
        calls=progress.calls,
        calls_ok=sum(d.ok for d in progress.days),
        calls_failed=sum(d.failed for d in progress.days),
        calls_abandoned=sum(d.abandoned for d in progress.days),
        day=day,
        daily_units=settings.daily_units,
        units_per_call=settings.units_per_call,
        spent=today.units,
        elsewhere=today.elsewhere,
        remaining=remaining,
        closed_by_server=today.closed_by_server_at is not None,
        resets_at=quota.resets_at(now),
        responses=progress.responses,
        raw_bytes=sum(d.raw_bytes for d in progress.days) - progress.pruned.raw_bytes,
        stored_bytes=sum(d.stored_bytes for d in progress.days) - progress.pruned.stored_bytes,
        percent=100 * progress.settled / progress.asked_for if progress.asked_for else 0.0,
        days_run=sum(1 for d in progress.days if d.calls),
        days_left=days_left,
        finishes_on=finishes_on,
        possible_a_day=calls_a_day * BATCH_SIZE,
        settled_a_day=pace,
        # The pace cannot be higher than the quota allows now.
        finishes_at_pace_on=max(finishes_on, at_pace) if at_pace else None,
        newest_day=progress.days[-1].day if progress.days else None,
        today=today,
        price_hint=price_hint(progress.days, settings),
        listings=Listings([each for each in listings if each.reason != REMOVED]),
    )


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
