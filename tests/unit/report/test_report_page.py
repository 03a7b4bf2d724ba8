"""The page of `status --html` before a browser sees it: its size, its days, its figures, its queries."""

from __future__ import annotations

import gzip
import hashlib
import re
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from page_ledgers import (
    DAY,
    HOSTILE_TITLES,
    NOW,
    OWNED,
    SECONDS,
    answer,
    failed_ledger,
    growing_ledger,
    hostile_ledger,
    long_ledger,
)

from harvester.app import Harvester
from harvester.config import isolated_config
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.model import EVERYTHING, Body, FaultCount, QuotaDay, StoredResponse
from harvester.report.days import MAX_DAYS, DayLine, day_lines, plan_course
from harvester.report.page import videos
from harvester.report.page.render import marked_up
from harvester.report.page.svg_chart import MAX_TICKS, ticks
from harvester.report.page.videos import Growth, Sampled, growth, sample

MAX_BYTES = 300_000


def page_of(ledger: Path) -> str:
    return Harvester(isolated_config({"ledger": {"url": f"sqlite:///{ledger}"}})).page()


def a_day(day: date, settled: int) -> QuotaDay:
    return QuotaDay(day, 10_000, 99, 9, 9, 0, 0, settled - 1, 1, 1, 1)


def lines_of(days: list[QuotaDay], today: date, videos: int = 1000, *, done: bool = False) -> list[DayLine]:
    course = plan_course([], days[0].day if days else today, videos, a_day=100)
    return day_lines(days, today, course, done=done)


class TestThePage:
    @pytest.mark.parametrize(("days", "calls"), [(14, 12_627), (200, 20_000)])
    def test_stays_small(self, tmp_path: Path, days: int, calls: int) -> None:
        long_ledger(tmp_path / "harvest.db", days, calls)
        assert len(page_of(tmp_path / "harvest.db").encode()) < MAX_BYTES

    def test_escapes_hostile_texts(self, tmp_path: Path) -> None:
        hostile_ledger(tmp_path / "harvest.db")
        page = page_of(tmp_path / "harvest.db")
        assert OWNED not in page
        assert page.count("&lt;script&gt;window.owned") == 10
        assert page.count("<script") == 0
        assert "\0" not in page
        assert "\u202e" not in page

    def test_is_the_same_for_the_same_ledger_and_instant(self, tmp_path: Path) -> None:
        hostile_ledger(tmp_path / "harvest.db")
        one, other = (page_of(tmp_path / "harvest.db").splitlines() for _ in range(2))
        assert [line for line in one if "<time" not in line] == [line for line in other if "<time" not in line]


class TestTheViewsOverTime:
    def test_are_of_the_fastest_and_of_the_newest(self, tmp_path: Path) -> None:
        growing_ledger(tmp_path / "harvest.db", days=5)
        with SqliteReader(tmp_path / "harvest.db") as reader:
            ids = [video_id for rows in reader.fetched(EVERYTHING, 100) for video_id, _ in rows]
            found = growth(reader)
        assert found.sampled == 100
        assert [video.video_id for video in found.fastest] == ids[:-6:-1]
        assert [video.gained for video in found.fastest] == [50 * position for position in range(100, 95, -1)]
        assert [video.video_id for video in found.newest] == ids[:5]
        assert len(found.days) == 6
        assert list(found.fastest[0].views.values()) == [1_000 + 1_000 * day for day in range(6)]
        assert [video.title for video in found.newest[:2]] == [OWNED[:60], HOSTILE_TITLES[1][:59] + "…"]

    def test_go_on_where_the_response_was_replaced(self, tmp_path: Path) -> None:
        growing_ledger(tmp_path / "harvest.db", days=3)
        with closing(sqlite3.connect(tmp_path / "harvest.db")) as db, db:
            # As a refresh leaves it: call 9 has replaced the response of call 1.
            columns = "run_id, quota_day, units, ids, attempt, first_position, last_position, state, started_at"
            db.execute(
                f"INSERT INTO calls (id, of_call, finished_at, {columns}) SELECT 9, 1, finished_at, {columns} "
                "FROM calls WHERE id = 1"
            )
            db.execute(
                "UPDATE responses SET call_id = 9, fetched_at = replace(fetched_at, '11-20', '11-23') WHERE call_id = 1"
            )
            db.execute("UPDATE videos SET call_id = 9 WHERE call_id = 1")
        with SqliteReader(tmp_path / "harvest.db") as reader:
            found = growth(reader)
        assert [len(video.views) for video in found.newest] == [3] * 5

    def test_are_left_out_without_a_second_day(self, tmp_path: Path) -> None:
        growing_ledger(tmp_path / "one.db", days=0)
        with SqliteReader(tmp_path / "one.db") as reader:
            assert growth(reader) == Growth([], [])
        assert 'id="fastest"' not in page_of(tmp_path / "one.db")

    def test_read_a_bounded_number_of_answers(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        growing_ledger(tmp_path / "harvest.db", days=9)
        monkeypatch.setattr(videos, "RESPONSES", 1)
        monkeypatch.setattr(videos, "ANSWERS", 4)
        with SqliteReader(tmp_path / "harvest.db") as reader:
            read: list[int] = []
            bodies = reader.bodies
            monkeypatch.setattr(reader, "bodies", lambda calls: read.extend(calls) or bodies(calls))
            found = growth(reader)
        assert found.sampled == 50
        assert [len(video.views) for video in found.fastest] == [5] * 5
        assert len(read) <= 3 + 2 * 5


class TestDays:
    def test_run_from_the_first_one_to_the_end_of_the_plan(self) -> None:
        lines = lines_of([a_day(DAY, 90), a_day(DAY + timedelta(days=2), 60)], DAY + timedelta(days=3))
        assert [line.settled for line in lines] == [90, 90, 150, 150, *[None] * 6]
        assert [line.planned for line in lines] == [100 * number for number in range(1, 11)]
        assert [line.counts is None for line in lines] == [False, True, False, *[True] * 7]

    def test_begin_today_where_there_was_none(self) -> None:
        (line,) = lines_of([], DAY, 70)
        assert line == DayLine(DAY, None, 0, 70)

    def test_of_a_late_crawl_go_on_to_today_and_of_one_that_is_done_do_not(self) -> None:
        days, later = [a_day(DAY, 70)], DAY + timedelta(days=20)
        assert len(lines_of(days, later, 70)) == 21
        assert len(lines_of(days, later, 70, done=True)) == 1

    def test_of_a_long_crawl_are_the_newest_with_the_sums_of_all(self) -> None:
        days = [a_day(DAY + timedelta(days=number), 100) for number in range(100)]
        lines = lines_of(days, days[-1].day, 20_000)
        assert len(lines) == MAX_DAYS
        assert lines[-1].day == days[-1].day + timedelta(days=7)
        assert lines[-8].settled == 10_000
        assert lines[0].settled == lines[0].planned == 7_700


class TestTheAxis:
    @pytest.mark.parametrize(
        ("highest", "expected"),
        [
            (0, [0, 1]),
            (1, [0, 1, 2]),
            (902, [0, 200, 400, 600, 800, 1000]),
            (9_999, [0, 2000, 4000, 6000, 8000, 10_000]),
            (10_000, [0, 2000, 4000, 6000, 8000, 10_000, 12_000]),
            (631_348, [0, 200_000, 400_000, 600_000, 800_000]),
        ],
    )
    def test_has_round_steps(self, highest: int, expected: list[int]) -> None:
        assert ticks(highest) == expected

    def test_ends_above_the_highest_value(self) -> None:
        for highest in (*range(2_000), 12_627, 10**9):
            found = ticks(highest)
            assert found[-2] <= highest < found[-1]
            assert len(found) <= MAX_TICKS


@pytest.mark.parametrize(
    ("sentence", "commands"),
    [
        ("Every id is settled. Next: harvester export", ["harvester export"]),
        (
            "2 ids failed. See why: harvester status --failed. Ask again: harvester retry",
            ["harvester status --failed", "harvester retry"],
        ),
        ("Stored data is old: harvester refresh --older-than 25d", ["harvester refresh --older-than 25d"]),
        ("Then load it: harvester load SOURCE --column NAME", ["harvester load SOURCE --column NAME"]),
        (
            "set quota.units_per_call = 11; enter what they spent: harvester quota --spent N",
            ["quota.units_per_call = 11", "harvester quota --spent N"],
        ),
        ("harvester doctor compares <the clock>", ["harvester doctor"]),
    ],
)
def test_commands_stand_as_code(sentence: str, commands: list[str]) -> None:
    html = marked_up(sentence)
    assert re.findall("<code>(.*?)</code>", html) == commands
    assert html.striptags() == sentence


class TestTheSample:
    def test_leaves_out_bodies_that_cannot_be_read(self) -> None:
        good = answer(["a", "b", "c"], [f"{OWNED}\0", 7]).body
        assert good is not None
        bodies = [Body(b"no gzip", "gzip", 9, b"", 1), *(plain(raw) for raw in (b"{", b"[]", b'{"items": [1]}')), good]
        responses = [StoredResponse(number, 1, body, NOW) for number, body in enumerate(bodies)]
        assert sample(responses, 2) == [Sampled("a", OWNED, OWNED), Sampled("b", "", "")]


def plain(raw: bytes) -> Body:
    data = gzip.compress(raw)
    return Body(data, "gzip", len(raw), hashlib.sha256(data).digest(), 1)


class TestTheLedger:
    def test_count_faults_by_reason(self, tmp_path: Path) -> None:
        failed_ledger(tmp_path / "harvest.db")
        end = NOW + timedelta(seconds=SECONDS)
        with SqliteReader(tmp_path / "harvest.db") as reader:
            assert reader.faults(5) == [FaultCount("backendError", 4, 44, end)]
            assert reader.faults(0) == []
            assert reader.faults(5, among_newest=3) == [FaultCount("backendError", 3, 33, end)]
            assert reader.good_call_seconds(100) == []
            assert list(reader.newest_responses(3)) == []

    def test_tell_an_abandoned_call_without_a_reason(self, tmp_path: Path) -> None:
        failed_ledger(tmp_path / "harvest.db")
        with closing(sqlite3.connect(tmp_path / "harvest.db")) as db, db:
            db.execute("UPDATE calls SET state = 'abandoned', reason = NULL WHERE id = 1")
        with SqliteReader(tmp_path / "harvest.db") as reader:
            assert [(fault.reason, fault.calls) for fault in reader.faults(5)] == [
                ("backendError", 3),
                ("abandoned", 1),
            ]

    def test_time_good_calls_alone_and_none_below_nothing(self, tmp_path: Path) -> None:
        hostile_ledger(tmp_path / "harvest.db")
        with closing(sqlite3.connect(tmp_path / "harvest.db")) as db, db:
            db.execute("UPDATE calls SET started_at = '2027-01-01T00:00:00.000000Z' WHERE id = 5")
        with SqliteReader(tmp_path / "harvest.db") as reader:
            assert sorted(reader.good_call_seconds(100)) == [0.0, SECONDS, SECONDS]
            assert sorted(reader.good_call_seconds(2)) == [0.0, SECONDS]

    def test_give_the_newest_responses_that_hold_a_video(self, tmp_path: Path) -> None:
        hostile_ledger(tmp_path / "harvest.db")
        with closing(sqlite3.connect(tmp_path / "harvest.db")) as db, db:
            db.execute("UPDATE responses SET item_count = 0 WHERE call_id = 4")
        with SqliteReader(tmp_path / "harvest.db") as reader:
            assert [response.call_id for response in reader.newest_responses(5)] == [5, 3]
            assert [response.call_id for response in reader.newest_responses(1)] == [5]


def test_percentiles_are_of_calls_that_were_made(tmp_path: Path) -> None:
    hostile_ledger(tmp_path / "harvest.db")
    page = page_of(tmp_path / "harvest.db")
    assert "Of the newest good calls (3), from claim to stored: 50% within 0.25 s, 90% within 0.25 s" in page
    assert '<th scope="row" class="when">0.2 to 0.5</th><td class="n">3</td><td class="n">100.0%</td>' in page


def test_a_run_that_is_silent_is_said_to_be(tmp_path: Path) -> None:
    failed_ledger(tmp_path / "harvest.db")
    with closing(sqlite3.connect(tmp_path / "harvest.db")) as db, db:
        db.execute("UPDATE runs SET ended_at = NULL, reason = NULL")
    assert "silent: it may have died" in page_of(tmp_path / "harvest.db")
    with closing(sqlite3.connect(tmp_path / "harvest.db")) as db, db:
        later = datetime.now(UTC) + timedelta(hours=1)
        db.execute("UPDATE runs SET lease_until = ?", (later.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),))
    assert "under way" in page_of(tmp_path / "harvest.db")
