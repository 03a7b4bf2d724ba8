"""Statistics that were fetched again by themselves: bodies, calls, and days, for they have a quota of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

LARGE = sa.Integer().with_variant(sa.BigInteger, "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _create_days()
    _create_calls()
    _create_statistics()


def _create_days() -> None:
    op.create_table(
        "statistics_days",
        sa.Column("day", TEXT, primary_key=True),
        sa.Column("units_limit", LARGE, nullable=False),
        sa.Column("units_reserved", LARGE, nullable=False, server_default="0"),
        sa.Column("calls", LARGE, nullable=False, server_default="0"),
        sa.Column("closed_by_server_at", TEXT),
        sa.CheckConstraint("units_reserved BETWEEN 0 AND units_limit", name="ck_statistics_days_within_budget"),
        sqlite_strict=True,
    )


def _create_calls() -> None:
    op.create_table(
        "statistics_calls",
        sa.Column("id", LARGE, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("quota_day", TEXT, sa.ForeignKey("statistics_days.day"), nullable=False),
        sa.Column("of_call", LARGE, sa.ForeignKey("calls.id"), nullable=False),
        sa.Column("units", sa.Integer, nullable=False),
        sa.Column("ids", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("state", TEXT, nullable=False, server_default="open"),
        sa.Column("http_status", sa.Integer),
        sa.Column("reason", TEXT),
        sa.Column("started_at", TEXT, nullable=False),
        sa.Column("finished_at", TEXT),
        sa.CheckConstraint("state IN ('open', 'ok', 'failed', 'abandoned')", name="ck_statistics_calls_state"),
        sa.CheckConstraint("(state = 'open') = (finished_at IS NULL)", name="ck_statistics_calls_finished"),
        sa.CheckConstraint("ids BETWEEN 1 AND 50", name="ck_statistics_calls_ids"),
        sa.CheckConstraint("units >= 0", name="ck_statistics_calls_units"),
        sqlite_strict=True,
    )
    is_open = {"sqlite_where": sa.text("state = 'open'"), "postgresql_where": sa.text("state = 'open'")}
    op.create_index("ix_statistics_calls_open", "statistics_calls", ["run_id"], **is_open)
    op.create_index("ux_statistics_calls_of", "statistics_calls", ["of_call"], unique=True, **is_open)


def _create_statistics() -> None:
    op.create_table(
        "statistics",
        sa.Column("of_call", LARGE, sa.ForeignKey("responses.call_id"), primary_key=True, autoincrement=False),
        sa.Column("call_id", LARGE, sa.ForeignKey("statistics_calls.id"), nullable=False),
        sa.Column("encoding", TEXT, nullable=False),
        sa.Column("raw_bytes", sa.Integer, nullable=False),
        sa.Column("stored_bytes", sa.Integer, nullable=False),
        sa.Column("item_count", sa.Integer, nullable=False),
        sa.Column("fetched_at", TEXT, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("encoding IN ('gzip', 'identity')", name="ck_statistics_encoding"),
        sa.CheckConstraint("stored_bytes = length(body)", name="ck_statistics_stored_bytes"),
        sa.CheckConstraint("length(sha256) = 32", name="ck_statistics_sha256"),
        sqlite_strict=True,
    )
