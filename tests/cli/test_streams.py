"""Standard streams that are closed, full, unreadable or in another encoding: the work's own exit code is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from children import ForkedSimulator, Program
from forks import commands
from waiting import LIMIT_SECONDS

from harvester.simulator import SimulatorSettings, make_ids

IDS = 100


@pytest.fixture
def crawl(tmp_path: Path) -> Iterator[Program]:
    """A hundred ids, and an API for them."""
    with ForkedSimulator(SimulatorSettings()) as simulator:
        program = Program(tmp_path)
        program.env |= {"HARVESTER_YOUTUBE__BASE_URL": simulator.base_url, "YOUTUBE_API_KEY": "any-key"}
        ids = "\n".join(["song", *make_ids(0, IDS)]).encode()
        assert program.here("load", "-", stdin=ids).returncode == 0
        yield program
        program.end_all()


def shell(program: Program, line: str) -> subprocess.CompletedProcess[str]:
    """`line` with the program, from nothing, as $0, and forked as `harvester`; streams are what the line says."""
    env = {"NO_PROXY": "127.0.0.1", "PYTHONWARNINGS": "error", "PATH": f"{commands()}:{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", "-c", line, sys.executable],
        cwd=program.folder,
        env=os.environ | env | program.env,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT_SECONDS,
        check=False,
    )


def fetched(program: Program) -> int:
    videos: dict[str, int] = json.loads(program.here("status", "--json").stdout)["videos"]
    return videos["fetched"] + videos["missing"]


@pytest.mark.parametrize(
    ("streams", "code"),
    [
        (">&-", 0),
        (">&- 2>&- <&-", 0),
        (">/dev/full", 4),
        ("2>/dev/full", 0),
        (">/dev/full 2>&1", 4),
        ("1</dev/null", 0),
    ],
)
def test_a_run_is_done_wherever_its_streams_lead(crawl: Program, streams: str, code: int) -> None:
    # What the end of an interpreter does with them is seen with stderr full too.
    program = "harvester" if streams == ">/dev/full" else '"$0" -m harvester'
    done = shell(crawl, f"exec {program} run {streams}")
    assert done.returncode == code, done.stderr
    assert "bug" not in done.stderr
    if streams == ">/dev/full":
        assert "could not be written to standard output: No space left on device" in done.stderr
    assert fetched(crawl) == IDS


def test_a_closed_stdin_has_nothing_to_read(crawl: Program) -> None:
    done = shell(crawl, 'exec "$0" -m harvester load - <&-')
    assert done.returncode == 3
    assert "Standard input is closed" in done.stderr


def test_what_click_prints_by_itself(crawl: Program) -> None:
    done = shell(crawl, "exec harvester --help >/dev/full")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_that_lacks_characters(crawl: Program, encoding: str) -> None:
    folder = crawl.folder / "café ♫"
    folder.mkdir()
    (folder / "config.toml").write_text('[ledger]\nurl = "sqlite:///ha♫rvest.db"\n', encoding="utf-8")
    crawl.env |= {"PYTHONIOENCODING": encoding, "HARVESTER_CONFIG": str(folder / "config.toml")}
    done = shell(crawl, 'exec "$0" -m harvester init')
    assert done.returncode == 0, done.stderr
    assert "rvest.db" in done.stdout
    if encoding == "latin-1":  # which has the one character and not the other
        return
    reported = shell(crawl, 'exec "$0" -m harvester doctor --offline --json')
    findings = {finding["check"]: finding for finding in json.loads(reported.stdout)["findings"]}
    assert "ha♫rvest.db" in findings["ledger"]["what"]
    lines = shell(crawl, 'exec "$0" -m harvester --log-format json run')
    assert lines.returncode == 0, lines.stderr
    assert [json.loads(line) for line in lines.stderr.splitlines()]
