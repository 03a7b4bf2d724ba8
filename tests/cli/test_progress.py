"""How far load, run and rehearse are: one line on a terminal, a log line now and then without one, else silence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import Api, CommandLine
from eager import ESCAPES, on_a_terminal, piped

from harvester.simulator import make_ids

REHEARSE = ("rehearse", "--videos", "1000", "--faults", "mild")


@pytest.fixture
def source(cli: CommandLine) -> Path:
    ids = list(make_ids(0, 30_000))
    cli.write("songs.csv", "\n".join(["user,song", *(f"{user},{video}" for user in range(10) for video in ids), ""]))
    cli.ok("init")
    return cli.folder


@pytest.fixture
def crawl(cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARVESTER_RUN__CONCURRENCY", "1")
    cli.load(500)
    return cli.folder


def lines_of(bar: str) -> list[str]:
    return [line for line in re.split(r"[\r\n]+", bar) if line.strip()]


def assert_one_line_each(bar: str, columns: int) -> None:
    """The line never reached the last column, where a terminal would begin another; what is taken back is one line."""
    assert "\x1b[2K" in bar
    assert "\x1b[2A" not in bar
    assert max(len(ESCAPES.sub("", line).rstrip()) for line in lines_of(bar)) < columns


class TestLoad:
    def test_rows_new_ids_and_bytes_of_all_where_the_file_tells(self, source: Path) -> None:
        out, bar = on_a_terminal(source, "load", "songs.csv")
        size = f"{(source / 'songs.csv').stat().st_size / 1e6:.1f}"
        assert "rows read" in out
        assert re.search(rf"load .*[1-9][\d,]+ rows, 30,000 new, [\d,]+/s, [\d.]+ of {size} MB, \d+:\d\d left", bar)

    def test_a_stream_tells_no_end(self, source: Path) -> None:
        _, bar = on_a_terminal(source, "load", "-", stdin=(source / "songs.csv").read_bytes())
        assert re.search(r"load .*[1-9][\d,]+ rows, 30,000 new, [\d,]+/s, [\d.]+ MB", bar)
        assert "left" not in bar

    def test_without_a_terminal_a_line_now_and_then(self, source: Path) -> None:
        figures = r"INFO +load: [\d,]+ rows, [\d,]+ new, [\d,]+/s, [\d.]+ of [\d.]+ MB, \d+:\d\d left"
        assert re.search(figures, piped(source, "load", "songs.csv").stderr)


class TestRun:
    def test_videos_units_left_calls_and_time_left(self, cli: CommandLine, crawl: Path) -> None:
        cli.load(1_500)
        out, bar = on_a_terminal(crawl, "run")
        assert out.startswith("Nothing left: 30 calls")
        figures = r"run \S+ [\d,]+ of 1,500 ids, ([\d,]+) units left today, (\d+) calls, [\d.]+/s, 0 wasted, 0:\d\d"
        seen = re.findall(figures, bar)
        assert len(seen) > 3
        assert all(int(units.replace(",", "")) == 10_000 - 11 * int(calls) for units, calls in seen)

    def test_a_stop_is_told_above_the_line(self, cli: CommandLine, crawl: Path) -> None:
        cli.load(5_000)
        out, bar = on_a_terminal(crawl, "run", stop_at=" calls, ")
        assert out.startswith("Stopped: ")
        reported = [line for line in lines_of(bar) if "stopping" in line]
        assert len(reported) == 1
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO +stopping: waiting for the calls under way", reported[0])

    def test_a_narrow_terminal_without_colours_gets_what_fits(self, crawl: Path) -> None:
        env = {"COLUMNS": "40", "NO_COLOR": "1", "HARVESTER_LOG__LEVEL": "WARNING"}
        _, bar = on_a_terminal(crawl, "run", raw=True, **env)
        assert "of 500 ids" in bar
        assert_one_line_each(bar, 40)
        assert not re.search(r"\x1b\[[0-9;]*m", bar)

    def test_without_a_terminal_a_line_now_and_then(self, crawl: Path) -> None:
        figures = r"INFO +run: [\d,]+ of 500 ids, [\d,]+ units left today, \d+ calls, [\d.]+/s, 0 wasted"
        assert re.search(figures, piped(crawl, "run").stderr)


class TestRehearse:
    def test_day_by_day(self, tmp_path: Path) -> None:
        out, bar = on_a_terminal(tmp_path, *REHEARSE)
        assert out.startswith("day  ")
        assert re.search(r"^2026-03-05 +\d+", out, re.MULTILINE)
        assert re.search(r"rehearse .*[1-9][\d,]* of 1,000 videos, day 2026-03-05, \d+ calls, \d+ wasted", bar)

    def test_a_program_that_reads_sees_the_days_alone(self, tmp_path: Path) -> None:
        done = piped(tmp_path, "rehearse", "--videos", "100")
        assert done.stderr == ""


@pytest.mark.parametrize(
    ("options", "env"),
    [([], {"HARVESTER_LOG__FORMAT": "json"}), ([], {"TERM": "dumb"}), (["-q"], {})],
    ids=["json", "dumb", "quiet"],
)
def test_where_no_line_can_be_drawn_or_is_wanted_none_is(crawl: Path, options: list[str], env: dict[str, str]) -> None:
    _, reported = on_a_terminal(crawl, *options, "run", raw=True, **env)
    assert "\x1b" not in reported
    if "-q" in options:
        assert reported == ""
    else:
        assert "of 500 ids" in reported
    if env.get("TERM") != "dumb":
        assert [json.loads(line)["level"] for line in reported.splitlines()] == ["INFO"] * len(reported.splitlines())
