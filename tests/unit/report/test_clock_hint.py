"""What the ledger says against this machine's clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from harvester.model import RunRecord
from harvester.report.contradictions import clock_hint

NOON = datetime(2026, 6, 2, 19, tzinfo=UTC)
TODAY = date(2026, 6, 2)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def a_run(began: datetime, ended: datetime | None, reason: str | None = "budget spent") -> RunRecord:
    return RunRecord(1, "here", 1, began, began + HOUR, ended, reason)


@pytest.mark.parametrize(
    ("newest_day", "run", "message"),
    [
        (TODAY + DAY, a_run(NOON - HOUR, NOON - HOUR), "calls of 2026-06-03, a day to come"),
        (TODAY, a_run(NOON - HOUR, NOON + HOUR), "ended at 2026-06-02 20:00 UTC, later than now"),
        (TODAY, a_run(NOON - HOUR, NOON - 2 * DAY), "the clock of here was 2,820 minutes or more ahead"),
        # It has been set right since.
        (TODAY, a_run(NOON + 2 * DAY, NOON - HOUR), ""),
        (TODAY, a_run(NOON - HOUR, NOON - HOUR / 2), ""),
        (TODAY, a_run(NOON - HOUR, NOON + HOUR / 10), ""),
        (TODAY, a_run(NOON - HOUR, NOON - 2 * DAY, "died"), ""),
        (TODAY, a_run(NOON - HOUR, None, None), ""),
        (None, None, ""),
    ],
    ids=str,
)
def test_what_contradicts_the_clock_is_told(newest_day: date | None, run: RunRecord | None, message: str) -> None:
    hint = clock_hint(newest_day, [run] if run else [], NOON)
    assert message in hint
    assert bool(hint) is bool(message)
