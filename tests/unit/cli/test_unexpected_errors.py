"""What nothing has explained: an error of the system or of a library is never called a bug of harvester."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import aiohttp
import botocore.session
import fsspec
import psycopg
import pyarrow as pa
import pytest
import sqlalchemy
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from harvester.cli.shared.unexpected_errors import explain


def raised(function: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (whatever it is)
        function()
    return caught.value


def deep_in_botocore() -> None:
    """As by an endpoint that redirects to itself."""
    client = botocore.session.Session().create_client(
        "s3", region_name="eu-west-3", aws_access_key_id="A", aws_secret_access_key="B"
    )
    client.meta.events.register("before-parameter-build.s3", lambda **_: client.list_buckets())
    client.list_buckets()


@pytest.mark.parametrize(
    "function",
    [
        deep_in_botocore,
        lambda: fsspec.filesystem("nonsense"),
        lambda: pa.array([1], pa.string()),
        lambda: psycopg.connect("nonsense"),
        lambda: sqlite3.connect(":memory:").execute("nonsense"),
        lambda: sqlalchemy.create_engine("sqlite://").connect().exec_driver_sql("nonsense"),
        lambda: asyncio.run(_ask("http://127.0.0.1:1")),
    ],
)
def test_a_librarys_error_is_of_the_outside_world(function: Callable[[], object]) -> None:
    error = explain(raised(function))
    assert error is not None
    assert error.exit_code == 4
    assert "bug" not in str(error)
    assert error.next_step


async def _ask(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(url):
        pass


@pytest.mark.parametrize("error", [ClientError({}, "GetObject"), ResponseParserError("x"), MemoryError(), OSError()])
def test_so_is_one_that_comes_without_its_frames(error: Exception) -> None:
    known = explain(error)
    assert known is not None
    assert known.exit_code == 4


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (errno.ENOSPC, 4, "Make room"),
        (errno.EMFILE, 4, "ulimit -n"),
        (errno.ENFILE, 4, "ulimit -n"),
        (errno.EACCES, 3, "rights"),
        (errno.EROFS, 3, "rights"),
        (errno.ECONNRESET, 4, "network"),
    ],
)
def test_the_systems_refusals(number: int, code: int, words: str) -> None:
    error = explain(OSError(number, os.strerror(number), "songs\u202e.csv"))
    assert error is not None
    assert error.exit_code == code
    assert words in error.next_step
    assert "\u202e" not in str(error)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    error = explain(raised((tmp_path / "nothing").read_bytes))
    assert error is not None
    assert error.exit_code == 3


@pytest.mark.parametrize("function", [lambda: {}["nothing"], lambda: [].pop(), lambda: int("nothing")])
def test_what_is_raised_here_is_a_bug(function: Callable[[], object]) -> None:
    assert explain(raised(function)) is None
