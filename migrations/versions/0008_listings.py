"""Channels and playlists whose videos are found page by page."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

LARGE = sa.Integer().with_variant(sa.BigInteger, "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "listings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("target", TEXT, nullable=False, unique=True),
        sa.Column("state", TEXT, nullable=False, server_default="pending"),
        *(sa.Column(name, TEXT) for name in ("channel_id", "playlist_id", "title", "resource", "channel_at")),
        sa.Column("next_page_token", TEXT),
        *(
            sa.Column(name, sa.Integer, nullable=False, server_default="0")
            for name in ("pages", "pass_pages", "pass_items", "restarts")
        ),
        sa.Column("reported_total", LARGE),
        sa.Column("capped", sa.Integer, nullable=False, server_default="0"),
        sa.Column("known_up_to", LARGE),
        sa.Column("reason", TEXT),
        sa.Column("load_id", sa.Integer, sa.ForeignKey("loads.id")),
        sa.Column("added_at", TEXT, nullable=False),
        sa.Column("finished_at", TEXT),
        sa.CheckConstraint("kind IN ('channel', 'playlist')", name="ck_listings_kind"),
        sa.CheckConstraint("state IN ('pending', 'claimed', 'done', 'failed')", name="ck_listings_state"),
        sa.CheckConstraint("(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name="ck_listings_finished"),
        sa.CheckConstraint("(state = 'failed') = (reason IS NOT NULL)", name="ck_listings_reason"),
        sa.CheckConstraint("kind = 'channel' OR playlist_id IS NOT NULL", name="ck_listings_playlist"),
        sa.CheckConstraint("pass_pages BETWEEN 0 AND pages", name="ck_listings_pages"),
        sa.CheckConstraint("capped IN (0, 1)", name="ck_listings_capped"),
        sqlite_strict=True,
    )
    # Plain ADD COLUMN, and Alembic would add the key by itself, which SQLite can't.
    op.execute("ALTER TABLE calls ADD COLUMN listing_id INTEGER REFERENCES listings (id)")
    large = "BIGINT" if op.get_bind().dialect.name == "postgresql" else "INTEGER"
    op.execute(f"ALTER TABLE quota_days ADD COLUMN calls_listed {large} DEFAULT '0' NOT NULL")
    where = sa.text("state = 'open' AND listing_id IS NOT NULL")
    op.create_index(
        "ux_calls_listing", "calls", ["listing_id"], unique=True, sqlite_where=where, postgresql_where=where
    )
    # Anew, since PostgreSQL lists a view's columns when it is created.
    op.execute("DROP VIEW calls_readable")
    op.execute(
        """
        CREATE VIEW calls_readable AS
        SELECT c.*, r.item_count, r.raw_bytes, r.stored_bytes, r.encoding
        FROM calls c LEFT JOIN responses r ON r.call_id = c.id
        """
    )
