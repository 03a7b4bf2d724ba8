"""The word and the sentence that a report begins with, and the plan that it is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from harvester.config import QuotaSettings
from harvester.ledger.records import LoadRecord
from harvester.model import Progress, QuotaDay, RunRecord, VideoState
from harvester.report.crawl_status import CrawlStatus, Status, crawl_status
from harvester.report.days import Course, plan_course
from harvester.report.page.render import tiles
from harvester.report.result_types import Overview
from harvester.report.summary import Summary

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
DAY = date(2026, 11, 23)
A_DAY = 45_450
IDS = 631_348


def a_day(day: date, settled: int = A_DAY, failed: int = 0) -> QuotaDay:
    calls = settled // 50 + failed
    return QuotaDay(day, 10_000, calls * 11, calls, calls - failed, failed, 0, settled, 0, 1, 1)


def a_run(reason: str | None, ended_at: datetime | None = NOW) -> RunRecord:
    began = (ended_at or NOW) - timedelta(hours=1)
    return RunRecord(1, "here", 1, began, began + timedelta(minutes=5), ended_at, reason)


def progress(days: Sequence[QuotaDay], ids: int = IDS, failed: int = 0, invalid: int = 0) -> Progress:
    fetched = sum(day.fetched for day in days)
    states = {VideoState.PENDING: ids - fetched - failed, VideoState.FETCHED: fetched, VideoState.FAILED: failed}
    return Progress(dict.fromkeys(VideoState, 0) | states | {VideoState.INVALID: invalid}, tuple(days))


def judged(counts: Progress, *runs: RunRecord, oldest: datetime | None = None) -> CrawlStatus:
    summary = Summary(counts, QuotaSettings(), NOW)
    first = counts.days[0].day if counts.days else DAY
    course = plan_course([], first, counts.asked_for, summary.forecast.possible_a_day)
    return crawl_status(Overview(summary, runs or (a_run("budget spent"),), NOW, oldest=oldest), course)


def days_before(number: int, settled: int = A_DAY) -> list[QuotaDay]:
    return [a_day(DAY - timedelta(days=ago), settled) for ago in range(number, 0, -1)]


def test_an_empty_ledger_and_one_that_was_only_loaded_have_not_started() -> None:
    assert judged(progress([], 0)) == CrawlStatus(Status.NOT_STARTED, "The ledger is empty.")
    told = judged(progress([]))
    assert told == CrawlStatus(Status.NOT_STARTED, "At best, the last of 631,348 ids is settled on 2026-12-06.")


def test_full_days_are_on_time() -> None:
    assert judged(progress(days_before(3))) == CrawlStatus(
        Status.ON_TIME, "At the pace of the last days, the last id is settled on 2026-12-03, as planned."
    )
    assert judged(progress([a_day(DAY, 500)])).status is Status.ON_TIME


def test_days_on_which_a_few_calls_fail_are_on_time_and_half_days_are_late() -> None:
    assert judged(progress(days_before(3, A_DAY - 500))).status is Status.ON_TIME
    told = judged(progress(days_before(3, A_DAY // 2)))
    assert told.status is Status.LATE
    assert told.sentence.endswith("is settled on 2026-12-17, 14 days after the plan.")


def test_a_week_that_brought_nothing_has_no_end() -> None:
    told = judged(progress([a_day(DAY - timedelta(days=3), 0, failed=5)]))
    assert told == CrawlStatus(Status.LATE, "No end is foreseen at the pace of the last 7 days.")


def test_all_settled_is_done() -> None:
    told = judged(progress(days_before(1), A_DAY + 3, failed=3))
    assert told == CrawlStatus(Status.DONE, "45,453 ids: 45,450 fetched, 3 failed.")


@pytest.mark.parametrize(
    ("run", "oldest", "says"),
    [
        (a_run("CredentialsError"), None, "The API refused the last run's key: set another before the next one."),
        (a_run("LedgerUnavailable"), None, "The last run ended by an error (LedgerUnavailable): its log says more."),
        (a_run("budget spent"), NOW - timedelta(days=26), "Stored data is 26 days old"),
        (a_run("budget spent", NOW - timedelta(hours=49)), None, "No run for 49 hours, though ids are left"),
        (a_run(None, None), None, ""),
        (a_run("died"), None, ""),
        (a_run("the rest belongs to others"), None, ""),
    ],
)
def test_what_does_not_go_on_by_itself_needs_a_person(run: RunRecord, oldest: datetime | None, says: str) -> None:
    told = judged(progress(days_before(3)), run, oldest=oldest)
    assert (told.status is Status.NEEDS_YOU) is bool(says)
    assert told.sentence.startswith(says)


def test_texts_without_an_id_need_a_person() -> None:
    told = judged(progress([], 0, invalid=7))
    assert told == CrawlStatus(Status.NEEDS_YOU, "There is no video id in the ledger: all 7 texts in it are invalid.")


# --- the plan


def a_load(day: date, new: int, invalid: int = 0) -> LoadRecord:
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return LoadRecord(1, "songs.csv", at, new, new, invalid, 0, at)


def test_the_plan_is_full_days_until_all_is_settled() -> None:
    course = plan_course([a_load(DAY - timedelta(days=9), 250)], DAY, 250, 100)
    assert course == Course(DAY, [100, 200, 250])
    assert course.last == DAY + timedelta(days=2)
    assert course.by(DAY + timedelta(days=9)) == 250


def test_ids_of_a_later_load_are_planned_from_its_day_on() -> None:
    loads = [a_load(DAY, 120, invalid=20), a_load(DAY + timedelta(days=3), 150)]
    assert plan_course(loads, DAY, 250, 100) == Course(DAY, [100, 100, 100, 200, 250], idle=True)
    # Of ids that no load accounts for, as those of an older version, none was missing on the first day.
    assert plan_course(loads[1:], DAY, 250, 100) == Course(DAY, [100, 100, 100, 200, 250], idle=True)
    assert plan_course(loads, DAY, 90, 100) == Course(DAY, [90])
    assert plan_course([], DAY, 0, 100) == Course(DAY, [0])


# --- the tiles


def test_the_tiles_of_a_crawl_on_its_way_and_of_one_that_is_done() -> None:
    counts = progress([*days_before(2), a_day(DAY, 1_000, failed=5)], failed=2)
    told = tiles(Summary(counts, QuotaSettings(), NOW))
    assert [tile.label for tile in told] == ["Done", "Finishes on", "Units today", "Failed or wasted"]
    assert [tile.value for tile in told] == ["14.6%", "2026-12-04", "275", "2 ids, 5 calls"]
    assert told[2].note == "of 10,000, reset at 08:00 UTC"
    done = progress(days_before(2), 2 * A_DAY)
    told = tiles(Summary(done, QuotaSettings(), NOW))
    assert [(tile.label, tile.value) for tile in told[:2]] == [("Done", "100.0%"), ("Finished on", "2026-11-22")]
    nearly = progress(days_before(1), A_DAY + 1)
    assert tiles(Summary(nearly, QuotaSettings(), NOW))[0].value == "99.9%"
    closed = replace(a_day(DAY), closed_by_server_at=NOW)
    assert tiles(Summary(progress([closed]), QuotaSettings(), NOW))[2].note.endswith("closed by the API")
