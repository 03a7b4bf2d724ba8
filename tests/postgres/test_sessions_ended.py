"""Sessions that the server ends: limits that it sets are lifted, and what can't be helped is said to be outside."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

import psycopg
import pytest
from children import Program
from crawl_children import PrepareCrawl
from psycopg import errors
from waiting import wait_until

from harvester.errors import LedgerUnavailable, LedgerUnusable
from harvester.ledger.postgres import connection
from harvester.ledger.postgres.reader import PostgresReader
from harvester.model import Progress

LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout", "idle_session_timeout")
OUTSIDE = ("08", "40", "53", "55", "57", "58", "25P03", "25P04", "25006", "72000")
REFUSED = ("28", "3D", "42501", "42P01", "42703", "3F000")


@pytest.fixture
def limited_url(url: str) -> Iterator[str]:
    """A ledger in a database whose sessions are ended soon."""
    name = url.split("?")[0].rsplit("/", 1)[1]
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '1ms'")
        for limit in set(LIMITS) - {"idle_in_transaction_session_timeout"}:
            db.execute(f"ALTER DATABASE {name} SET {limit} = '55s'")
        yield url
        db.execute(f"ALTER DATABASE {name} RESET ALL")


@pytest.mark.parametrize("engine", [connection.reading_engine, connection.writing_engine])
def test_a_session_lifts_the_limits_of_its_server(limited_url: str, engine: Callable[[str], connection.Engine]) -> None:
    opened = engine(limited_url)
    with opened.connect() as db:
        assert [db.exec_driver_sql(f"SHOW {limit}").scalar() for limit in LIMITS] == ["0"] * 4
    opened.dispose()


def test_a_writer_keeps_the_limits_that_are_its_own(limited_url: str) -> None:
    with connection.connect_for_writing(limited_url) as db:
        shown = [db.execute(f"SHOW {limit}").fetchone() for limit in LIMITS]
    assert shown == [("0",), ("30s",), ("0",), ("0",)]


class TestCommands:
    @pytest.fixture
    def ledger_url(self, limited_url: str) -> str:
        return limited_url

    def test_commands_work_where_the_server_ends_idle_transactions(
        self, prepare_crawl: PrepareCrawl, harvester: Program
    ) -> None:
        crawl = prepare_crawl(300, concurrency=2)
        for command in (
            ["run"],
            ["export", "songs.json"],
            ["verify", "--export", "songs.json"],
        ):
            done = harvester.run(*command)
            assert done.returncode == 0, done.stderr
        crawl.assert_finished()


def ended(reader: PostgresReader) -> None:
    """Once the server has ended the session."""
    pid = reader._driver.info.backend_pid
    with psycopg.connect(reader._url, autocommit=True) as db:
        wait_until(lambda: not db.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone())


def terminate(reader: PostgresReader) -> None:
    with psycopg.connect(reader._url, autocommit=True) as db:
        db.execute("SELECT pg_terminate_backend(%s)", [reader._driver.info.backend_pid])
    ended(reader)


def limit(name: str) -> Callable[[PostgresReader], None]:
    def apply(reader: PostgresReader) -> None:
        reader._db.exec_driver_sql(f"SET {name} = '1ms'")
        ended(reader)

    return apply


END = {
    "terminated": terminate,
    "idle": limit("idle_in_transaction_session_timeout"),
    "too long": limit("transaction_timeout"),
}


@pytest.mark.parametrize("end", END.values(), ids=END)
def test_a_session_that_was_ended_says_so_and_can_be_closed(url: str, end: Callable[[PostgresReader], None]) -> None:
    with PostgresReader(url) as reader:
        assert isinstance(reader.progress(), Progress)
        end(reader)
        for read in (reader.progress, lambda: list(reader.states()), reader.findings, lambda: list(reader.bodies([1]))):
            with pytest.raises(LedgerUnavailable, match="cannot be used now") as caught:
                read()
            assert caught.value.exit_code == 4


@pytest.mark.parametrize("end", END.values(), ids=END)
def test_a_session_that_was_ended_after_the_last_read_is_closed_without_a_word(
    url: str, end: Callable[[PostgresReader], None], caplog: pytest.LogCaptureFixture
) -> None:
    with PostgresReader(url) as reader:
        reader.progress()
        end(reader)
    assert caplog.records == []


def test_a_stream_whose_session_is_ended_says_so(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(
            "INSERT INTO videos (position, video_id, state) SELECT i, i::text, 0 FROM generate_series(1, 20000) i"
        )
    with PostgresReader(url) as reader:
        states = reader.states()
        next(states)
        terminate(reader)
        with pytest.raises(LedgerUnavailable):
            list(states)


CODES = {
    error.sqlstate: error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, psycopg.Error) and error.sqlstate
}


def expected(code: str) -> int:
    if code.startswith(REFUSED):
        return 3
    if code in ("XX001", "XX002"):
        return 5
    return 4 if code.startswith(OUTSIDE) else 1


def test_every_error_of_the_server_has_a_sentence_and_an_exit_code() -> None:
    for code, error in CODES.items():
        reported = connection.explain(error("what it says\nand a value"), "postgresql://me:secret@host/db")
        if issubclass(error, psycopg.OperationalError):
            assert isinstance(reported, LedgerUnusable if code.startswith("28") else LedgerUnavailable), code
        else:
            assert reported.exit_code == expected(code), code
        assert "what it says" in reported.what
        assert "value" not in str(reported)
        assert "secret" not in str(reported)
        assert reported.state


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (psycopg.OperationalError, 4),
        (psycopg.InterfaceError, 4),
        (psycopg.InternalError, 4),
        (psycopg.errors.ConnectionTimeout, 4),
        (psycopg.errors.PipelineAborted, 4),
        (psycopg.DataError, 1),
        (psycopg.ProgrammingError, 1),
        (psycopg.NotSupportedError, 1),
    ],
)
def test_errors_of_the_driver_itself(kind: type[psycopg.Error], exit_code: int) -> None:
    assert connection.explain(kind("no words of the server"), "postgresql://host/db").exit_code == exit_code
