"""The ledger: ids and their states, calls, stored responses, units a day, runs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LARGE = sa.Integer().with_variant(sa.BigInteger, "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

STATES = [
    (0, "pending", "not yet asked for"),
    (1, "claimed", "in a call under way"),
    (2, "fetched", "returned by the API"),
    (3, "missing", "asked for, and the API answered without it: deleted, private or never there"),
    (4, "failed", "given up after every attempt"),
    (5, "invalid", "not a video id, never sent"),
]


def upgrade() -> None:
    _create_states()
    _create_runs()
    _create_quota_days()
    _create_calls()
    _create_videos()
    _create_responses()
    _create_views()


def _create_states() -> None:
    states = op.create_table(
        "video_states",
        sa.Column("code", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", TEXT, nullable=False, unique=True),
        sa.Column("meaning", TEXT, nullable=False),
        sa.Column("videos", LARGE, nullable=False, server_default="0"),
        sa.CheckConstraint("videos >= 0", name="ck_video_states_videos"),
        sqlite_strict=True,
    )
    op.bulk_insert(states, [{"code": code, "name": name, "meaning": meaning} for code, name, meaning in STATES])


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("boot", TEXT, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("process_started", TEXT, nullable=False),
        sa.Column("started_at", TEXT, nullable=False),
        sa.Column("lease_until", TEXT, nullable=False),
        sa.Column("ended_at", TEXT),
        sa.Column("reason", TEXT),
        sqlite_strict=True,
    )
    op.create_index("ix_runs_open", "runs", ["id"], **_where("ended_at IS NULL"))


def _create_quota_days() -> None:
    op.create_table(
        "quota_days",
        sa.Column("day", TEXT, primary_key=True),
        sa.Column("units_limit", LARGE, nullable=False),
        sa.Column("units_reserved", LARGE, nullable=False, server_default="0"),
        sa.Column("calls", LARGE, nullable=False, server_default="0"),
        sa.Column("calls_ok", LARGE, nullable=False, server_default="0"),
        sa.Column("calls_failed", LARGE, nullable=False, server_default="0"),
        sa.Column("calls_abandoned", LARGE, nullable=False, server_default="0"),
        sa.Column("videos_fetched", LARGE, nullable=False, server_default="0"),
        sa.Column("videos_missing", LARGE, nullable=False, server_default="0"),
        sa.Column("raw_bytes", LARGE, nullable=False, server_default="0"),
        sa.Column("stored_bytes", LARGE, nullable=False, server_default="0"),
        sa.Column("closed_by_server_at", TEXT),
        sa.CheckConstraint("units_reserved BETWEEN 0 AND units_limit", name="ck_quota_days_within_budget"),
        sa.CheckConstraint("calls >= calls_ok + calls_failed + calls_abandoned", name="ck_quota_days_calls"),
        sqlite_strict=True,
    )


def _create_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", LARGE, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("quota_day", TEXT, sa.ForeignKey("quota_days.day"), nullable=False),
        sa.Column("units", sa.Integer, nullable=False),
        sa.Column("ids", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("first_position", LARGE, nullable=False),
        sa.Column("last_position", LARGE, nullable=False),
        sa.Column("state", TEXT, nullable=False, server_default="open"),
        sa.Column("http_status", sa.Integer),
        sa.Column("reason", TEXT),
        sa.Column("started_at", TEXT, nullable=False),
        sa.Column("finished_at", TEXT),
        sa.CheckConstraint("state IN ('open', 'ok', 'failed', 'abandoned')", name="ck_calls_state"),
        sa.CheckConstraint("(state = 'open') = (finished_at IS NULL)", name="ck_calls_finished"),
        sa.CheckConstraint("ids BETWEEN 1 AND 50", name="ck_calls_ids"),
        sa.CheckConstraint("units >= 0", name="ck_calls_units"),
        sa.CheckConstraint("first_position <= last_position", name="ck_calls_positions"),
        sqlite_strict=True,
    )
    op.create_index("ix_calls_open", "calls", ["run_id"], **_where("state = 'open'"))


def _create_videos() -> None:
    op.create_table(
        "videos",
        sa.Column("position", LARGE, primary_key=True),
        sa.Column("video_id", TEXT, nullable=False),
        sa.Column("state", sa.Integer, nullable=False, server_default="0"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("call_id", LARGE, sa.ForeignKey("calls.id")),
        sa.Column("suspect_batch", LARGE),
        sa.CheckConstraint("state BETWEEN 0 AND 5", name="ck_videos_state"),
        sa.CheckConstraint("state NOT IN (1, 2, 3, 4) OR call_id IS NOT NULL", name="ck_videos_call"),
        sa.CheckConstraint("state <> 5 OR call_id IS NULL", name="ck_videos_invalid"),
        sqlite_strict=True,
        postgresql_with={"fillfactor": 45},
    )
    op.create_index("ux_videos_video_id", "videos", ["video_id"], unique=True)
    op.create_index("ix_videos_pending", "videos", ["position"], **_where("state = 0 AND suspect_batch IS NULL"))
    op.create_index(
        "ix_videos_suspect",
        "videos",
        ["suspect_batch", "position"],
        sqlite_where=sa.text("state = 0 AND suspect_batch IS NOT NULL"),
        postgresql_where=sa.text("suspect_batch IS NOT NULL"),
    )


def _create_responses() -> None:
    op.create_table(
        "responses",
        sa.Column("call_id", LARGE, sa.ForeignKey("calls.id"), primary_key=True, autoincrement=False),
        sa.Column("encoding", TEXT, nullable=False),
        sa.Column("raw_bytes", sa.Integer, nullable=False),
        sa.Column("stored_bytes", sa.Integer, nullable=False),
        sa.Column("item_count", sa.Integer, nullable=False),
        sa.Column("fetched_at", TEXT, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("encoding IN ('gzip', 'identity')", name="ck_responses_encoding"),
        sa.CheckConstraint("stored_bytes = length(body)", name="ck_responses_stored_bytes"),
        sa.CheckConstraint("length(sha256) = 32", name="ck_responses_sha256"),
        sqlite_strict=True,
    )


def _create_views() -> None:
    op.execute(
        """
        CREATE VIEW videos_readable AS
        SELECT v.position, v.video_id, s.name AS state, v.attempts, v.call_id, c.http_status, c.reason, c.finished_at
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


def _where(condition: str) -> dict[str, sa.TextClause]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
