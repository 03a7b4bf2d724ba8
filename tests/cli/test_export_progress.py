"""How far an export, or its proof, is: a bar on a terminal, a log line now and then without one, else silence."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from crawled_ledger import crawled_ledger, in_order
from eager import on_a_terminal, piped

from harvester.cli.shared import progress_line as shown
from harvester.cli.shared.progress_line import progress
from harvester.support.progress_callback import Advance

EXPORT = ["export", "songs", "--format", "jsonl", "--max-part-bytes", "500000", "--force"]
VERIFY = ["verify", "--export", "songs"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For all: each of them exports to the same place and proves it."""
    folder = tmp_path_factory.mktemp("crawl")
    crawled_ledger(folder / "harvest.db", 2000, in_order(2000))
    return folder


def test_a_terminal_shows_videos_of_all_bytes_rate_and_time_left(folder: Path) -> None:
    out, bar = on_a_terminal(folder, *EXPORT)
    total = re.search(r"([\d,]+) videos of", out)
    assert total
    assert re.fullmatch(r".*\nTook [\d.]+ s\. Next: harvester verify --export songs\n", out)
    assert re.search(rf"export .*[1-9][\d,]* of {total[1]} videos, [\d,]+/s, [\d.]+ MB, \d+:\d\d left", bar), bar[
        -2000:
    ]
    assert re.search(rf"{total[1]} of {total[1]} videos", bar)
    out, bar = on_a_terminal(folder, *VERIFY)
    assert len(out.splitlines()) == 2
    done = [int(text.replace(",", "")) for text in re.findall(rf"verify .*?([\d,]+) of {total[1]} videos", bar)]
    assert len(set(done)) > 3
    assert done == sorted(done)
    assert re.search(r"videos, [\d,]+/s, [\d.]+ MB, \d+:\d\d left", bar), bar[-2000:]


def test_log_lines_keep_clear_of_the_bar(folder: Path) -> None:
    _, bar = on_a_terminal(folder, *EXPORT)
    logged = [line for line in re.split(r"[\r\n]+", bar) if "unchanged" in line]
    assert len(logged) == 1
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO ", logged[0]), logged


def test_quiet_is_quiet_on_a_terminal_too(folder: Path) -> None:
    for line in (EXPORT, VERIFY):
        assert on_a_terminal(folder, "-q", *line)[1] == ""


def test_without_a_terminal_a_log_line_now_and_then(folder: Path) -> None:
    # by force: what is unchanged is not written again
    for name, line in (("export", [*EXPORT, "--force"]), ("verify", VERIFY)):
        done = piped(folder, *line)
        figures = rf"INFO +{name}: [\d,]+ of [\d,]+ videos, [\d,]+/s, [\d.]+ MB, \d+:\d\d left"
        assert len(re.findall(figures, done.stderr)) > 2, done.stderr
        assert name + ": " not in done.stdout
        assert piped(folder, "-q", *line).stderr == ""


class TestLines:
    """Against a clock of the test's own."""

    @pytest.fixture
    def at(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
        now = [1000.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])

        def move(seconds: float) -> None:
            now[0] = 1000.0 + seconds

        return move

    def test_one_a_half_minute(self, at: Callable[[float], None], caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "harvester"), progress("export", "video") as watch:
            for second in range(100):
                at(second)
                watch(Advance(10 * second, 2000, 1_000_000 * second))
        assert shown.LINE_SECONDS == 30
        assert caplog.messages == [
            f"export: {10 * second} of 2,000 videos, 10/s, {second}.0 MB, {left} left"
            for second, left in ((30, "2:50"), (60, "2:20"), (90, "1:50"))
        ]

    def test_before_anything_is_done_no_time_is_foretold(
        self, at: Callable[[float], None], caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, "harvester"), progress("export", "video") as watch:
            at(31)
            watch(Advance(0, 2000, 5))
        assert caplog.messages == ["export: 0 of 2,000 videos, 0/s, 0.0 MB"]

    def test_a_short_one_says_nothing(self, at: Callable[[float], None], caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "harvester"), progress("export", "video") as watch:
            at(29)
            watch(Advance(2000, 2000, 5))
        assert caplog.messages == []
