"""Which stored responses are being fetched again, and by which call."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LARGE = sa.Integer().with_variant(sa.BigInteger, "postgresql")


def upgrade() -> None:
    op.create_table(
        "refreshes",
        sa.Column("old_call_id", LARGE, sa.ForeignKey("responses.call_id"), primary_key=True, autoincrement=False),
        sa.Column("call_id", LARGE, sa.ForeignKey("calls.id"), nullable=False, unique=True),
        sqlite_strict=True,
    )
