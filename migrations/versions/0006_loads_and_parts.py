"""Which load brought an id, which parts a call asked for, units that others spent, and tokens of commits."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

LARGE = sa.Integer().with_variant(sa.BigInteger, "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _create_loads()
    _create_commit_tokens()
    # Plain ADD COLUMN: a rebuild of the largest table would take minutes and twice its space.
    op.add_column("videos", sa.Column("load_id", sa.Integer))
    op.add_column("calls", sa.Column("parts", TEXT))
    large = "BIGINT" if op.get_bind().dialect.name == "postgresql" else "INTEGER"
    for table in ("quota_days", "statistics_days"):
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN units_elsewhere {large} DEFAULT '0' NOT NULL "
            f"CONSTRAINT ck_{table}_elsewhere CHECK (units_elsewhere >= 0)"
        )
    _create_views()


def _create_loads() -> None:
    op.create_table(
        "loads",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("loaded_at", TEXT, nullable=False),
        sa.Column("rows", LARGE, nullable=False, server_default="0"),
        sa.Column("new", LARGE, nullable=False, server_default="0"),
        sa.Column("invalid", LARGE, nullable=False, server_default="0"),
        sa.Column("removed", LARGE, nullable=False, server_default="0"),
        sa.Column("finished_at", TEXT),
        sa.CheckConstraint("rows >= 0", name="ck_loads_rows"),
        sa.CheckConstraint("new >= 0 AND invalid BETWEEN 0 AND new", name="ck_loads_new"),
        sa.CheckConstraint("removed BETWEEN 0 AND new", name="ck_loads_removed"),
        sqlite_strict=True,
    )


def _create_commit_tokens() -> None:
    op.create_table(
        "commit_tokens",
        sa.Column("writer", TEXT, primary_key=True),
        sa.Column("token", LARGE, nullable=False),
        sa.Column("written_at", TEXT, nullable=False),
        sqlite_strict=True,
    )


def _create_views() -> None:
    """Anew, since PostgreSQL lists a view's columns when it is created."""
    op.execute("DROP VIEW videos_readable")
    op.execute("DROP VIEW calls_readable")
    op.execute(
        """
        CREATE VIEW videos_readable AS
        SELECT v.position, v.video_id, s.name AS state, v.attempts, v.call_id, c.http_status, c.reason, c.finished_at,
            v.load_id
        FROM videos v JOIN video_states s ON s.code = v.state LEFT JOIN calls c ON c.id = v.call_id
        """
    )
    op.execute(
        """
        CREATE VIEW calls_readable AS
        SELECT c.*, r.item_count, r.raw_bytes, r.stored_bytes, r.encoding
        FROM calls c LEFT JOIN responses r ON r.call_id = c.id
        """
    )
