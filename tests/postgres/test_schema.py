"""The migrations build on a server just the tables that the code knows, and leave alone what is not theirs."""

from __future__ import annotations

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from postgres_server import PostgresServer, for_postgres
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from harvester.errors import LedgerUnusable
from harvester.ledger.postgres.migrate import check, prepare
from harvester.ledger.schema import metadata
from harvester.model import VideoState

COLUMNS = """
SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default
FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1, 2
"""
INDEXES = "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = current_schema() ORDER BY 1, 2"
CHECKS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = current_schema()::regnamespace AND contype IN ('c', 'f', 'p') ORDER BY 1, 2
"""
OPTIONS = """
SELECT relname, reloptions FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' ORDER BY 1
"""


def schema(url: str) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(url) as db:
        found = {
            name: db.execute(query).fetchall()
            for name, query in (("columns", COLUMNS), ("indexes", INDEXES), ("checks", CHECKS), ("options", OPTIONS))
        }
    of_code = {*metadata.tables}
    return {name: [row for row in rows if row[0] in of_code] for name, rows in found.items()}


def test_the_migrated_schema_is_the_schema_of_the_code(server: PostgresServer, url: str) -> None:
    fresh = server.url(server.empty_database())
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(fresh), poolclass=NullPool)
    for_postgres().create_all(engine)
    assert schema(url) == schema(fresh)


def test_alembic_sees_no_difference_either(url: str) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), for_postgres()) == []
        names = dict(connection.execute(text("SELECT code, name FROM video_states")).all())
        assert names == {state.value: state.label for state in VideoState}
        assert connection.execute(text("SELECT count(*) FROM videos_readable, calls_readable")).scalar() == 0


def test_what_is_not_a_ledger_is_left_alone(server: PostgresServer) -> None:
    url = server.url(server.empty_database())
    with psycopg.connect(url) as db:
        db.execute("CREATE TABLE runs (mine int)")
    with pytest.raises(LedgerUnusable, match="has a table runs, but is not a ledger"):
        prepare(url)
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (1,)


def test_a_ledger_of_a_newer_harvester_is_left_alone(url: str) -> None:
    with psycopg.connect(url) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    for act in (prepare, check):
        with pytest.raises(LedgerUnusable, match="version 9999"):
            act(url)


def test_a_schema_of_its_own(server: PostgresServer, url: str) -> None:
    with psycopg.connect(url) as db:
        db.execute("CREATE SCHEMA second")
    second = f"{url}&options=-csearch_path%3Dsecond"
    prepare(second)
    check(second)
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*) FROM second.video_states").fetchone() == (6,)
