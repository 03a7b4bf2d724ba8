"""The summary of a day that notify.webhook gets. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harvester.report.listings import to_read
from harvester.report.next_steps import SETTLED, steps
from harvester.report.result_types import Overview
from harvester.report.summary import Summary, as_json
from harvester.support.sanitize import agree, count


def day_summary(
    name: str, ledger: str, ending: str, overview: Overview | None, error: str | None = None
) -> dict[str, Any]:
    """Return the body for the webhook, with a `text` of a few lines. `overview` is None if the ledger can't be read.

    `name` is the crawl's. `ending` is why the run ended or sleeps; `error` is its error.
    """
    lines = [f"{name}, quota day {overview.summary.day}: {ending}." if overview else f"{name}: {ending}."]
    lines += [error] if error else []
    if overview is not None:
        summary = overview.summary
        lines += [_today(summary), _ahead(summary)]
        # The last step is always the next one; those before it need attention.
        lines += steps(replace(overview, runs=()))[:-1]
    return {
        "text": "\n".join(lines),
        "event": "run failed" if error else "day ended",
        "name": name,
        "ledger": ledger,
        "ending": ending,
        "error": error,
        "day": _figures(overview.summary) if overview else None,
        "status": as_json(overview.summary) if overview else None,
    }


def _figures(summary: Summary) -> dict[str, Any]:
    names = ("calls", "ok", "failed", "abandoned", "units", "fetched", "missing")
    return {"day": summary.day.isoformat()} | {name: getattr(summary.today, name) for name in names}


def _today(summary: Summary) -> str:
    day = _figures(summary)
    wasted = day["failed"] + day["abandoned"]
    nothing = f" {count(wasted, 'call')} brought nothing." if wasted else ""
    return (
        f"{count(day['calls'], 'call')}, {day['units']:,} of {count(summary.daily_units, 'unit')}, "
        f"{day['fetched']:,} fetched, {day['missing']:,} missing.{nothing}"
    )


def _ahead(summary: Summary) -> str:
    if summary.is_done:
        return SETTLED
    unread = to_read(summary.listings)
    if not summary.unsettled:
        return unread
    when = f"{count(summary.forecast.days_left, 'more day')}, until {summary.forecast.finishes_on}"
    left = f"{summary.unsettled:,} {agree(summary.unsettled, 'is')} left"
    return (
        f"{summary.percent_shown:.1f}% of {count(summary.asked_for, 'id')} are done, {left}: {when}. {unread}".rstrip()
    )
