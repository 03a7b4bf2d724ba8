"""The summary behind `status`, and how it is shown."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime

import pytest
from rich.console import Console

from harvester.config import QuotaSettings
from harvester.ledger.records import Loaded
from harvester.model import Progress, QuotaDay, RunRecord, VideoState
from harvester.report import command_results
from harvester.report.next_steps import next_step
from harvester.report.result_types import Overview
from harvester.report.status_screen import Screen
from harvester.report.summary import Summary, as_json

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)


def progress(pending: int = 585_898, closed: bool = False, today: date = TODAY, units: int = 9_999) -> Progress:
    videos = dict.fromkeys(VideoState, 0) | {
        VideoState.PENDING: pending,
        VideoState.FETCHED: 42_300,
        VideoState.MISSING: 3_150,
    }
    day = QuotaDay(
        day=today,
        units_limit=10_000,
        units=units,
        calls=909,
        ok=909,
        failed=0,
        abandoned=0,
        fetched=42_300,
        missing=3_150,
        raw_bytes=190_000_000,
        stored_bytes=38_000_000,
        closed_by_server_at=NOW if closed else None,
    )
    return Progress(videos, (day,))


def summary(**changes: object) -> Summary:
    return Summary(progress(**changes), QuotaSettings(), NOW)  # type: ignore[arg-type]


def test_the_documented_example_word_for_word() -> None:
    assert as_json(summary()) == {
        "videos": {
            "total": 631_348,
            "pending": 585_898,
            "claimed": 0,
            "fetched": 42_300,
            "missing": 3_150,
            "failed": 0,
            "invalid": 0,
        },
        "calls": {"total": 909, "ok": 909, "failed": 0, "abandoned": 0, "open": 0},
        "quota": {
            "day": "2026-11-23",
            "daily_units": 10_000,
            "units_per_call": 11,
            "spent": 9_999,
            "spent_by_others": 0,
            "remaining": 1,
            "closed_by_server": False,
            "resets_at": "2026-11-24T08:00:00Z",
        },
        "responses": {"count": 909, "raw_bytes": 190_000_000, "stored_bytes": 38_000_000},
        "progress": {"percent": 7.2, "days_run": 1, "days_left": 13, "finishes_on": "2026-12-06"},
        "listings": dict.fromkeys(
            ("total", "unfinished", "failed", "capped", "pages", "found", "new", "pages_left"), 0
        ),
        "pace": {"videos_a_day": 45_450, "possible_a_day": 45_450, "finishes_on": "2026-12-06"},
    }


def test_a_new_day_has_its_units_whole_and_counts_itself() -> None:
    fresh = summary(today=date(2026, 11, 22))
    assert (fresh.spent, fresh.remaining) == (0, 10_000)
    assert (fresh.forecast.days_left, fresh.forecast.finishes_on) == (13, date(2026, 12, 5))


def test_a_day_that_the_api_closed_has_nothing_left() -> None:
    closed = summary(closed=True, units=500)
    assert (closed.spent, closed.remaining, closed.closed_by_server) == (500, 0, True)
    assert closed.forecast.finishes_on == date(2026, 12, 6)


def test_units_for_others_are_not_ours_to_spend() -> None:
    ours = Summary(progress(units=5_000), QuotaSettings(reserve_units=4_000), NOW)
    assert ours.remaining == 1_000


def test_a_finished_crawl_has_no_days_left() -> None:
    done = summary(pending=0)
    assert (done.percent, done.forecast.days_left, done.forecast.finishes_on) == (100.0, 0, TODAY)


def test_an_empty_ledger_divides_by_nothing() -> None:
    empty = Summary(Progress(dict.fromkeys(VideoState, 0), ()), QuotaSettings(), NOW)
    assert (empty.percent, empty.total, empty.days_run, empty.forecast.days_left) == (0.0, 0, 0, 0)


def test_invalid_ids_do_not_keep_a_crawl_from_being_done() -> None:
    videos = dict.fromkeys(VideoState, 0) | {VideoState.FETCHED: 10, VideoState.INVALID: 5}
    assert Summary(Progress(videos, ()), QuotaSettings(), NOW).percent == 100.0


def shown(*renderables: object, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, soft_wrap=True).print(*renderables)
    return out.getvalue()


def test_status_says_how_far_what_today_and_what_next() -> None:
    text = shown(Screen(Overview(summary(), [], NOW), bar=True))
    for output in ("7.2% of 631,348 ids", "585,898", "9,999 of 10,000 units", "2026-11-24 08:00 UTC", "13 days left"):
        assert output in text
    assert "Nothing to do until the quota is reset" in text


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"pending": 0}, "harvester export"),
        ({"units": 0}, "Next: harvester run"),
        ({"closed": True}, "Nothing to do"),
    ],
)
def test_status_ends_with_the_next_step(changes: dict[str, object], step: str) -> None:
    assert step in next_step(summary(**changes))


def test_texts_from_outside_cannot_act_on_the_terminal() -> None:
    run = RunRecord(1, "host\x1b[31m\u202e", 7, NOW, NOW, NOW, "bad\x07\nreason")
    text = shown(Screen(Overview(summary(), [run], NOW)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\x07" not in text
    loaded = Loaded(3, 2, 2, 0, 1, invalid_examples=("\x1b]0;title\x07\u202eabc",))
    assert not {"\x1b", "\x07", "\u202e"} & set(shown(*command_results.loaded(loaded)))


@pytest.mark.parametrize(("number", "text"), [(0, "0 B"), (999, "999 B"), (38_000_000, "38.0 MB"), (10**13, "10.0 TB")])
def test_sizes(number: int, text: str) -> None:
    assert command_results.size(number) == text


def test_one_is_not_many() -> None:
    assert (command_results.count(1, "call"), command_results.count(1_000, "call")) == ("1 call", "1,000 calls")
