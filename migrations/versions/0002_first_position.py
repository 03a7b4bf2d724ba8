"""Where claims begin to look, instead of an index of all pending ids, a quarter of a ledger before its crawl."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LARGE = sa.Integer().with_variant(sa.BigInteger, "postgresql")


def upgrade() -> None:
    op.add_column("video_states", sa.Column("first_position", LARGE, nullable=False, server_default="1"))
    op.execute(
        """
        UPDATE video_states SET first_position = coalesce(
            (SELECT min(position) FROM videos WHERE state = 0 AND suspect_batch IS NULL),
            (SELECT max(position) + 1 FROM videos),
            1
        ) WHERE code = 0
        """
    )
    op.drop_index("ix_videos_pending", "videos")
