"""A crawl's state in sentences: how runs ended, and what to do next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from harvester.crawl.run_report import Ending, RunReport
from harvester.listing_types import ListingRecord
from harvester.model import RunRecord, VideoState
from harvester.report.listings import name_of
from harvester.report.result_types import Overview
from harvester.report.summary import OTHER_IDS, Summary
from harvester.report.wording import EMPTY, utc
from harvester.support.sanitize import count, shown

_SHORTLY = {
    "CredentialsError": "key refused",
    "ApiUnavailable": "API unavailable",
    "LedgerUnavailable": "ledger unavailable",
}
"""Other errors are shown by their class name."""
_ERRORS = {
    "CredentialsError": "The API refused the last run's key: set another before the next one.",
    "ApiUnavailable": "The last run ended because the API gave no good answer.",
}
_CUT_OFF = {
    "died": "The last run died on its way: nothing that it had stored is lost.",
    "interrupted": "The last run was cut off: nothing that it had stored is lost.",
}

SETTLED = "Every id is settled. Next: harvester export"
NO_VIDEOS = "No video was found in the channels and playlists. Next: harvester discover CHANNEL"
REFRESH_AGE = timedelta(days=25)
"""YouTube's terms allow 30 days."""


def steps(overview: Overview) -> list[str]:
    """What to do next: first what the last run needs, then what the crawl needs."""
    summary, runs, now = overview.summary, overview.runs, overview.now
    last = runs[0].reason if runs else None
    found = [_CUT_OFF[last]] if last in _CUT_OFF else []
    found += needs(overview)
    given_up = summary.videos[VideoState.FAILED]
    if given_up:
        found.append(look_at_failed(given_up))
    if lost := summary.listings.failed:
        found.append(look_at_listings(lost))
    if overview.other_parts:
        found.append(changed_parts(overview.other_parts))
    if runs and not summary.is_done and under_way(runs[0], now):
        return [*found, "A run is under way. Follow it: harvester status --watch"]
    return [*found, next_step(summary)]


def look_at_failed(ids: int) -> str:
    return f"{count(ids, 'id')} failed. See why: harvester status --failed. Ask again: harvester retry"


def look_at_listings(failed: Sequence[ListingRecord]) -> str:
    which = f"{name_of(failed[0])}: {shown(failed[0].reason or '')}"
    others = f" and {len(failed) - 1:,} more" if len(failed) > 1 else ""
    return f"Not listed: {which}{others}. See all: harvester status --listings"


def needs(overview: Overview) -> list[str]:
    """What needs a person: an error, a setting that contradicts the ledger, data that is too old."""
    summary, runs, age = overview.summary, overview.runs, overview.now - (overview.oldest or overview.now)
    last = runs[0].reason if runs else None
    found = []
    # Only the reason of an error is the name of a class.
    if last is not None and last[:1].isupper():
        found.append(_ERRORS.get(last) or f"The last run ended by an error ({shown(last)}): its log says more.")
    if overview.clock_hint:
        found.append(shown(overview.clock_hint))
    if age > REFRESH_AGE:
        old = f"{count(age.days, 'day')} old (YouTube's terms allow 30)"
        found.append(f"Stored data is {old}: harvester refresh --older-than {REFRESH_AGE.days}d")
    if summary.price_hint:
        found.append(summary.price_hint)
    return found


def changed_parts(responses: int) -> str:
    """Say how many were asked for with other parts than are set now, and what to do."""
    return f"{count(responses, 'stored response', 'was')} asked for with other parts: harvester refresh --changed-parts"


def next_step(summary: Summary) -> str:
    """What to do next."""
    if summary.no_valid_ids:
        return f"{summary.no_valid_ids} {OTHER_IDS}"
    if not summary.total and not summary.listings.unfinished:
        return NO_VIDEOS if summary.listings.records else EMPTY
    if summary.is_done:
        return SETTLED
    price = summary.units_per_call if summary.unsettled else 1
    if summary.remaining < price:
        return f"Nothing to do until the quota is reset at {utc(summary.resets_at)[11:]}. Then: harvester run"
    return "Next: harvester run"


def after_run(report: RunReport, summary: Summary) -> str:
    """What to do once a run has ended well."""
    if report.ending is Ending.CLAIMED_BY_OTHERS:
        return "Next: harvester status, which names those runs. If one has died, the next run takes its ids back."
    failed = [look_at_failed(summary.videos[VideoState.FAILED])] if report.failed else []
    failed += [look_at_listings(summary.listings.failed)] if summary.listings.failed else []
    return "\n".join([*failed, next_step(summary).removeprefix("Every id is settled. ").replace(EMPTY, "")])


def ending(run: RunRecord, now: datetime) -> str:
    """How a run ended, or that it has not."""
    if run.reason is not None:
        return _SHORTLY.get(run.reason) or shown(run.reason)
    return "under way" if under_way(run, now) else "silent: it may have died"


def under_way(run: RunRecord, now: datetime) -> bool:
    """Whether a run has not ended and its lease is not over."""
    return run.ended_at is None and run.lease_until >= now
