"""The screen of `status`: what it says of real ledgers, at several widths, held as texts in data/status."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from crawled_ledger import crawled_ledger, in_order
from page_ledgers import DAY, NOW, failed_ledger, given_up_ledger, hostile_ledger
from rich.console import Console

from harvester.config import QuotaSettings
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.model import Progress, QuotaDay, RunRecord, VideoState
from harvester.report.forecast import settled_a_day
from harvester.report.next_steps import ending
from harvester.report.result_types import Overview
from harvester.report.status_screen import REASONS, RUNS, Screen
from harvester.report.summary import Summary
from harvester.report.wording import took

DATA = Path(__file__).parent / "data" / "status"
LEDGERS: dict[str, Callable[[Path], object]] = {
    "empty": prepare,
    "mid": lambda path: crawled_ledger(path, 1000, in_order(1000)[:8]),
    "done": lambda path: crawled_ledger(path, 120, in_order(120)),
    "failures": given_up_ledger,
    "outage": failed_ledger,
}


@pytest.fixture(autouse=True)
def _in_paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Europe/Paris")
        time.tzset()
        yield
    time.tzset()


def screen(path: Path, now: datetime = NOW, *, bar: bool = True) -> Screen:
    with SqliteReader(path) as reader:
        summary = Summary(reader.progress(), QuotaSettings(), now)
        # How well gzip packs is not the screen's concern.
        summary.stored_bytes, summary.raw_bytes = 38_000 * summary.calls_ok, 190_000 * summary.calls_ok
        return Screen(Overview(summary, reader.runs(RUNS), now, reader.faults(REASONS)), bar)


def text_of(drawn: Screen, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, markup=False, emoji=False).print(drawn)
    return "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())


@pytest.mark.parametrize("name", LEDGERS)
def test_a_program_reads_the_lines_that_rich_would_print(tmp_path: Path, name: str) -> None:
    LEDGERS[name](tmp_path / "harvest.db")
    drawn = screen(tmp_path / "harvest.db", bar=False)
    assert "".join(f"{line.rstrip()}\n" for line in drawn.lines()) == text_of(drawn, 1000)


@pytest.mark.parametrize("name", LEDGERS)
def test_looks_as_it_did(tmp_path: Path, name: str) -> None:
    LEDGERS[name](tmp_path / "harvest.db")
    drawn = screen(tmp_path / "harvest.db")
    for width in (40, 80, 120):
        text = text_of(drawn, width)
        assert text == (DATA / f"{name}-{width}.txt").read_text(encoding="utf-8"), text
        assert max(map(len, text.splitlines())) <= width
        assert width == 40 or text.count("\n") < 24


def test_the_day_after_tells_both_ends(tmp_path: Path) -> None:
    LEDGERS["mid"](tmp_path / "harvest.db")
    text = text_of(screen(tmp_path / "harvest.db", NOW + timedelta(days=1)), 80)
    assert "pace     400 ids a day seen, 1 day run: done on 2026-11-25\n" in text
    assert "at best  45,450 ids a day, 1 day left: done on 2026-11-24\n" in text


def test_a_pipe_gets_neither_a_bar_nor_boxes(tmp_path: Path) -> None:
    given_up_ledger(tmp_path / "harvest.db")
    assert text_of(screen(tmp_path / "harvest.db", bar=False), 200).isascii()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_texts_from_outside_neither_act_nor_push_figures_out(tmp_path: Path, width: int) -> None:
    hostile = "\x1b[2J\u202e" + "w" * 500 + "\n[red]FORGED"
    given_up_ledger(tmp_path / "harvest.db", [hostile], host=hostile)
    drawn = screen(tmp_path / "harvest.db")
    runs = [replace(drawn.overview.runs[0], reason=hostile)]
    text = text_of(replace(drawn, overview=replace(drawn.overview, runs=runs)), width)
    assert not {"\x1b", "\u202e"} & set(text)
    assert not [line for line in text.splitlines() if line.startswith(("FORGED", "[red]"))]
    assert max(map(len, text.splitlines())) <= width
    assert "11-23 10:30" in text
    hostile_ledger(tmp_path / "other.db")
    assert "11-23 10:30" in text_of(screen(tmp_path / "other.db"), width)


def test_reasons_that_are_not_named_are_counted(tmp_path: Path) -> None:
    given_up_ledger(tmp_path / "harvest.db", ["a", "b", "b", "c", "d"])
    assert "wasted   6 calls: b 2, a 1, c 1, others 2" in text_of(screen(tmp_path / "harvest.db"), 80)


# --- pace


def a_day(day: date, settled: int) -> QuotaDay:
    return QuotaDay(day, 10_000, 0, 1, 1, 0, 0, settled - 1, 1, 0, 0)


def test_pace_is_of_the_days_before_today() -> None:
    yesterday, long_ago = DAY - timedelta(days=1), DAY - timedelta(days=40)
    assert settled_a_day([], DAY) == 0
    assert settled_a_day([a_day(DAY, 300)], DAY) == 300
    assert settled_a_day([a_day(yesterday, 500), a_day(DAY, 3)], DAY) == 500
    # A day that was left out counts, and what is a week old does not.
    assert settled_a_day([a_day(DAY - timedelta(days=2), 500)], DAY) == 250
    assert settled_a_day([a_day(long_ago, 9_000), a_day(yesterday, 700)], DAY) == 100
    assert settled_a_day([a_day(long_ago, 9_000)], DAY) == 0


def seen(pending: int, *days: QuotaDay, units: int = 10_000) -> Summary:
    videos = dict.fromkeys(VideoState, 0) | {VideoState.PENDING: pending}
    return Summary(Progress(videos, days), QuotaSettings(daily_units=units), NOW)


def test_the_end_at_the_pace_seen() -> None:
    yesterday = a_day(DAY - timedelta(days=1), 1_000)
    assert seen(10_000).forecast.finishes_at_pace_on is None
    assert seen(1_000, yesterday).forecast.finishes_at_pace_on == DAY
    assert seen(1_001, yesterday).forecast.finishes_at_pace_on == DAY + timedelta(days=1)
    # Today has brought 400 of its 1,000.
    assert seen(601, yesterday, a_day(DAY, 400)).forecast.finishes_at_pace_on == DAY + timedelta(days=1)
    assert seen(600, yesterday, a_day(DAY, 400)).forecast.finishes_at_pace_on == DAY
    assert seen(10**9, a_day(DAY - timedelta(days=1), 2)).forecast.finishes_at_pace_on is None


def test_a_first_day_is_a_pace_once_it_has_no_calls_left() -> None:
    first = a_day(DAY, 400)
    assert seen(1_000, first).forecast.finishes_at_pace_on is None
    assert seen(1_000, replace(first, units=9_995)).forecast.finishes_at_pace_on == DAY + timedelta(days=3)


def test_no_pace_of_before_is_kept_beyond_what_the_quota_allows_now() -> None:
    slower = seen(1_000, a_day(DAY - timedelta(days=1), 1_000), units=110)
    assert slower.forecast.possible_a_day == 500
    assert slower.forecast.finishes_on == slower.forecast.finishes_at_pace_on == DAY + timedelta(days=1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59.9, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3_600, "1 h"), (90_061, "1 d 1 h")],
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert took(timedelta(seconds=seconds)) == text


def test_a_run_whose_lease_is_over_is_not_under_way() -> None:
    run = RunRecord(1, "here", 1, NOW, NOW + timedelta(minutes=5), None, None)
    assert ending(run, NOW) == "under way"
    assert ending(run, NOW + timedelta(minutes=6)) == "silent: it may have died"


# --- runs


@pytest.mark.parametrize(("at_work", "shown"), [(2, 3), (8, 8), (20, 12)])
def test_runs_under_way_are_told_with_the_newest_runs(tmp_path: Path, at_work: int, shown: int) -> None:
    drawn = screen_of_mid(tmp_path)
    lease = NOW + timedelta(minutes=5)
    ended = RunRecord(1, "worker-0", 100, NOW, lease, NOW, "budget spent")
    runs = [RunRecord(number, f"worker-{number}", 100, NOW, lease, None, None) for number in range(at_work + 1, 1, -1)]
    text = text_of(replace(drawn, overview=replace(drawn.overview, runs=[*runs, ended])), 80)
    assert text.count("worker-") == shown
    assert text.count("under way  ") == min(at_work, shown)
    assert ("and 8 more under way" in text) == (at_work == 20)


def screen_of_mid(folder: Path) -> Screen:
    LEDGERS["mid"](folder / "harvest.db")
    return screen(folder / "harvest.db")
