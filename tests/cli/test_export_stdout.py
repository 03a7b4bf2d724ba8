"""`harvester export -`: the data alone on standard output, everything else on stderr."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from children import Program
from crawled_ledger import crawled_ledger, in_order
from forks import commands
from waiting import LIMIT_SECONDS

VIDEOS = 3000


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Program:
    folder = tmp_path_factory.mktemp("crawl")
    crawled_ledger(folder / "harvest.db", VIDEOS, in_order(VIDEOS))
    return Program(folder)


def shell(crawl: Program, line: str) -> subprocess.CompletedProcess[bytes]:
    """`line` in bash, with the program in its path."""
    environment = {"PATH": f"{commands()}:/usr/bin:/bin"} | crawl.env
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=crawl.folder,
        env=environment,
        capture_output=True,
        timeout=LIMIT_SECONDS,
    )


def harvester(crawl: Program, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return shell(crawl, " ".join(("harvester", *arguments)))


@pytest.mark.parametrize("ending", ["json", "json.gz", "jsonl.zst", "parquet"])
def test_it_is_what_a_file_would_hold(crawl: Program, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"songs.{ending}"
    assert harvester(crawl, "export", str(file)).returncode == 0
    packing = {"gz": "gzip", "zst": "zstd"}.get(ending.rpartition(".")[2], "none")
    before = sorted(crawl.folder.iterdir())
    done = harvester(crawl, "export", "-", "--format", ending.partition(".")[0], "--compression", packing)
    assert (done.returncode, done.stdout) == (0, file.read_bytes()), done.stderr
    assert b"videos to standard output, without a manifest" in done.stderr
    assert sorted(crawl.folder.iterdir()) == before


def test_a_pipe_is_read_as_it_comes(crawl: Program) -> None:
    done = harvester(crawl, "-q", "export", "-", "--format", "jsonl", "| head -n 1 | wc -l")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, b"1", b"")


@pytest.mark.parametrize("name", ["json", "jsonl", "parquet"])
def test_a_reader_that_goes_away_is_no_error(crawl: Program, name: str) -> None:
    done = harvester(crawl, "-q", "export", "-", "--format", name, "| head -c 10 > /dev/null")
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_is_told(crawl: Program) -> None:
    done = harvester(crawl, "export", "-", "> /dev/full")
    assert done.returncode == 4
    assert b"could not be written to standard output: No space left on device" in done.stderr


def test_the_settings_may_ask_for_parts(crawl: Program, tmp_path: Path) -> None:
    asked = "HARVESTER_EXPORT__MAX_PART_BYTES=1000000 HARVESTER_EXPORT__FORMAT=parquet harvester export -"
    done = shell(crawl, asked)
    assert done.returncode == 0, done.stderr
    assert pq.read_table(io.BytesIO(done.stdout)).num_rows > 0


@pytest.mark.parametrize("option", ["--max-part-bytes 1000000", "--dask local", "--datasette-metadata"])
def test_what_needs_a_place(crawl: Program, option: str) -> None:
    done = harvester(crawl, "export", "-", option)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"need a place: name one, not -" in done.stderr


def test_a_database_is_no_stream(crawl: Program) -> None:
    done = harvester(crawl, "export", "-", "--format", "sqlite")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"harvester export songs.db" in done.stderr


def test_what_is_incomplete_is_not_begun(crawl: Program, tmp_path: Path) -> None:
    crawled_ledger(tmp_path / "harvest.db", 60, [range(1, 51)])
    done = harvester(Program(tmp_path), "export", "-", "--require-complete")
    assert (done.returncode, done.stdout) == (5, b"")


@pytest.mark.skipif(shutil.which("script") is None, reason="there is no script, which brings a terminal")
def test_a_terminal_gets_no_binary(crawl: Program) -> None:
    done = shell(crawl, "script -qec 'harvester export - --format parquet' /dev/null")
    assert done.returncode == 2
    assert b"is not for a terminal" in done.stdout
