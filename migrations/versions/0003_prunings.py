"""What was deleted of the stored responses, when, and of which calls."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

LARGE = sa.Integer().with_variant(sa.BigInteger, "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "prunings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("pruned_at", TEXT, nullable=False),
        sa.Column("fetched_before", TEXT, nullable=False),
        sa.Column("responses", LARGE, nullable=False),
        sa.Column("videos", LARGE, nullable=False),
        sa.Column("raw_bytes", LARGE, nullable=False),
        sa.Column("stored_bytes", LARGE, nullable=False),
        sa.CheckConstraint("responses >= 1", name="ck_prunings_responses"),
        sa.CheckConstraint("videos >= 0", name="ck_prunings_videos"),
        sqlite_strict=True,
    )
    op.create_table(
        "pruned_responses",
        sa.Column("call_id", LARGE, sa.ForeignKey("calls.id"), primary_key=True, autoincrement=False),
        sa.Column("pruning_id", sa.Integer, sa.ForeignKey("prunings.id"), nullable=False),
        sqlite_strict=True,
    )
