"""How a crawl is doing, as one word and one sentence. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta

from harvester.model import VideoState
from harvester.report.days import Course
from harvester.report.forecast import PACE_DAYS
from harvester.report.next_steps import NO_VIDEOS, needs
from harvester.report.result_types import Overview
from harvester.report.summary import Summary
from harvester.support.sanitize import count

LATE_AFTER = timedelta(days=1)
"""How far beyond the plan a crawl may end and is still on time: some calls always fail."""
SILENT_AFTER = timedelta(hours=26)
"""Two runs at the quota's reset are 24 hours apart, 25 when the clocks change."""


class Status(enum.StrEnum):
    NOT_STARTED = "not started"
    ON_TIME = "on time"
    LATE = "late"
    DONE = "done"
    NEEDS_YOU = "needs you"


@dataclass(frozen=True, slots=True)
class CrawlStatus:
    status: Status
    sentence: str


def crawl_status(overview: Overview, course: Course) -> CrawlStatus:
    """Judge the crawl by its last run, its settings and its plan."""
    summary = overview.summary
    unread = len(summary.listings.unfinished)
    if problem := summary.no_valid_ids or next(iter(needs(overview)), ""):
        return CrawlStatus(Status.NEEDS_YOU, problem)
    if not summary.total and not unread:
        return CrawlStatus(Status.NOT_STARTED, NO_VIDEOS if summary.listings.records else "The ledger is empty.")
    if summary.is_done:
        states = (VideoState.FETCHED, VideoState.MISSING, VideoState.FAILED)
        became = ", ".join(f"{summary.videos[state]:,} {state.label}" for state in states if summary.videos[state])
        return CrawlStatus(Status.DONE, f"{count(summary.asked_for, 'id')}: {became}.")
    if not summary.unsettled:
        status = Status.ON_TIME if summary.calls else Status.NOT_STARTED
        silence = _silence(overview) if summary.calls else ""
        to_come = f"The next run looks for videos in {count(unread, 'listing')}."
        return CrawlStatus(Status.NEEDS_YOU, silence) if silence else CrawlStatus(status, to_come)
    if not summary.calls:
        ahead = f"At best, the last of {count(summary.unsettled, 'id')} is settled on {summary.forecast.finishes_on}."
        return CrawlStatus(Status.NOT_STARTED, ahead)
    if silence := _silence(overview):
        return CrawlStatus(Status.NEEDS_YOU, silence)
    return _against_the_plan(summary, course)


def _silence(overview: Overview) -> str:
    idle = max((overview.now - (run.ended_at or run.lease_until) for run in overview.runs[:1]), default=timedelta())
    hours = int(idle.total_seconds() // 3600)
    told = f"No run for {count(hours, 'hour')}, though ids are left: look at cron and its mail."
    return told if idle > SILENT_AFTER else ""


def _against_the_plan(summary: Summary, course: Course) -> CrawlStatus:
    ends_on, at_pace = summary.forecast.finishes_on, summary.forecast.finishes_at_pace_on
    # The pace is no measure on a first day, nor where the days before it had nothing to do.
    if course.first < summary.day and not course.idle:
        if at_pace is None:
            return CrawlStatus(Status.LATE, f"No end is foreseen at the pace of the last {count(PACE_DAYS, 'day')}.")
        ends_on = at_pace
    apart = (ends_on - course.last).days
    plan = f"{count(abs(apart), 'day')} {'after' if apart > 0 else 'before'} the plan" if apart else "as planned"
    basis = "At the pace of the last days" if ends_on == at_pace else "At best"
    status = Status.LATE if ends_on - course.last > LATE_AFTER else Status.ON_TIME
    return CrawlStatus(status, f"{basis}, the last id is settled on {ends_on}, {plan}.")
