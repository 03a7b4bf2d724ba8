"""The ledger's progress against the quota: what is done, what today still allows, when it will be finished. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from harvester import quota
from harvester.model import Progress, VideoState

if TYPE_CHECKING:
    from harvester.config import QuotaSettings


@dataclass(frozen=True, slots=True)
class Summary:
    """`harvester status`, before it is drawn. Units are API quota units; sizes are bytes."""

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

    @property
    def calls_open(self) -> int:
        return self.calls - self.calls_ok - self.calls_failed - self.calls_abandoned

    @property
    def unasked(self) -> int:
        """Ids that still have to be settled."""
        return self.videos[VideoState.PENDING] + self.videos[VideoState.CLAIMED]


def summarize(progress: Progress, settings: QuotaSettings, now: datetime) -> Summary:
    """Count `progress` up and look ahead from the quota day of `now`."""
    day = quota.quota_day(now)
    today = progress.day(day)
    spent = today.units if today else 0
    closed = today is not None and today.closed_by_server_at is not None
    limit = settings.daily_units - settings.reserve_units
    remaining = 0 if closed else max(0, limit - spent)
    unasked = progress.videos[VideoState.PENDING] + progress.videos[VideoState.CLAIMED]
    calls_left_today = remaining // settings.units_per_call
    days_left = quota.days_to_finish(
        unasked, calls_left_today=calls_left_today, calls_a_day=limit // settings.units_per_call
    )
    # Today is one of the days left only while it has calls left.
    ahead = days_left - (1 if calls_left_today and days_left else 0)
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
        spent=spent,
        remaining=remaining,
        closed_by_server=closed,
        resets_at=quota.resets_at(now),
        responses=sum(d.ok for d in progress.days),
        raw_bytes=sum(d.raw_bytes for d in progress.days),
        stored_bytes=sum(d.stored_bytes for d in progress.days),
        percent=100 * progress.settled / progress.asked_for if progress.asked_for else 0.0,
        days_run=sum(1 for d in progress.days if d.calls),
        days_left=days_left,
        finishes_on=day + timedelta(days=ahead),
    )


def as_json(summary: Summary) -> dict[str, Any]:
    """What `harvester status --json` prints. Keys may be added, never renamed."""
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
            "remaining": summary.remaining,
            "closed_by_server": summary.closed_by_server,
            "resets_at": summary.resets_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "responses": {
            "count": summary.responses,
            "raw_bytes": summary.raw_bytes,
            "stored_bytes": summary.stored_bytes,
        },
        "progress": {
            "percent": round(summary.percent, 1),
            "days_run": summary.days_run,
            "days_left": summary.days_left,
            "finishes_on": summary.finishes_on.isoformat(),
        },
    }
