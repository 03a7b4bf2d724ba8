"""Statements that wait for the next one: they go to the server together, and are what they would be one by one."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from harvester.ledger.postgres import statements as sql
from harvester.ledger.postgres.connection import connect_for_writing
from harvester.ledger.postgres.transaction import PostgresTransaction

ENTER = "INSERT INTO quota_days (day, units_limit) VALUES (%(day)s, 1)"
DAYS = "SELECT array_agg(day ORDER BY day) FROM quota_days"


@pytest.fixture
def db(url: str) -> Iterator[psycopg.Connection]:
    with connect_for_writing(url) as connection:
        yield connection


@pytest.fixture
def tx(db: psycopg.Connection) -> PostgresTransaction:
    begun = PostgresTransaction(db)
    begun.later(sql.BEGIN)
    return begun


def test_they_run_before_it_in_the_order_in_which_they_were_given(tx: PostgresTransaction) -> None:
    tx.later(ENTER, day="2026-11-23")
    tx.insert_bodies(
        "UPDATE quota_days SET day = %s WHERE day = %s", [("2026-11-24", "2026-11-23"), ("never", "nowhere")]
    )
    tx.later(ENTER, day="2026-11-23")
    assert tx.value(DAYS) == ["2026-11-23", "2026-11-24"]


def test_until_then_nothing_is_sent(tx: PostgresTransaction, db: psycopg.Connection) -> None:
    tx.later(ENTER, day="2026-11-23")
    assert db.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert tx.value(DAYS) == ["2026-11-23"]
    assert db.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS


@pytest.mark.parametrize("before", [0, 200], ids=["soon", "after many"])
def test_the_first_error_is_the_one_that_is_told(tx: PostgresTransaction, db: psycopg.Connection, before: int) -> None:
    for _ in range(before):
        tx.later("SELECT repeat('x', 10000)")
    tx.later("SELECT 1 / %(nothing)s", nothing=0)
    tx.later("SELECT no_such_column")
    with pytest.raises(errors.DivisionByZero):
        tx.value(DAYS)
    db.execute("ROLLBACK")
    assert db.execute("SELECT 1").fetchone() == (1,)


def test_a_move_of_other_ids_than_those_that_were_locked_is_no_move(tx: PostgresTransaction) -> None:
    tx.move_later(sql.CLAIM, [(1, 50, 1)], 50)
    with pytest.raises(AssertionError):
        tx.value(DAYS)
