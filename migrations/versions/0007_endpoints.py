"""Calls know their endpoint, and quota days their bucket: calls, days and bodies of statistics join the others.

A check of each id is said so that it takes less time.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

LARGE = sa.Integer().with_variant(sa.BigInteger, "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

BUCKET = ("bucket", TEXT, "default")
ENDPOINT = ("endpoint", TEXT, "videos.list")


OLD_CHECK = "state NOT IN (1, 2, 3, 4) OR call_id IS NOT NULL"
NEW_CHECK = "state NOT BETWEEN 1 AND 4 OR call_id IS NOT NULL"


def upgrade() -> None:
    op.execute("DROP VIEW videos_readable")
    op.execute("DROP VIEW calls_readable")
    if op.get_bind().dialect.name == "postgresql":
        _alter_tables()
    else:
        _rebuild("quota_days", _create_quota_days)
        _rebuild("calls", _create_calls)
        op.create_index("ix_calls_open", "calls", ["run_id"], sqlite_where=sa.text("state = 'open'"))
    where = sa.text("of_call IS NOT NULL")
    op.create_index("ix_calls_of_call", "calls", ["of_call"], sqlite_where=where, postgresql_where=where)
    _move_statistics()
    op.execute(
        """
        UPDATE calls SET of_call = (SELECT old_call_id FROM refreshes WHERE refreshes.call_id = calls.id)
        WHERE id IN (SELECT call_id FROM refreshes)
        """
    )
    for table in ("refreshes", "statistics", "statistics_calls", "statistics_days"):
        op.drop_table(table)
    _say_check_anew()
    _create_views()


def _say_check_anew() -> None:
    """In SQLite as its documentation has it for checks (lang_altertable, 7): rows and indexes stay as they are."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("ck_videos_call", "videos")
        op.create_check_constraint("ck_videos_call", "videos", NEW_CHECK)
        return
    op.execute("PRAGMA writable_schema = ON")
    op.execute(f"UPDATE sqlite_schema SET sql = replace(sql, '{OLD_CHECK}', '{NEW_CHECK}') WHERE name = 'videos'")  # noqa: S608
    op.execute("PRAGMA writable_schema = RESET")


def _alter_tables() -> None:
    op.drop_constraint("calls_quota_day_fkey", "calls")
    op.drop_constraint("quota_days_pkey", "quota_days")
    op.add_column("quota_days", _new(BUCKET))
    op.create_primary_key("pk_quota_days", "quota_days", ["bucket", "day"])
    op.add_column("calls", _new(BUCKET))
    op.add_column("calls", _new(ENDPOINT))
    op.add_column("calls", sa.Column("of_call", LARGE, sa.ForeignKey("calls.id")))
    op.create_foreign_key("fk_calls_quota_day", "calls", "quota_days", ["bucket", "quota_day"], ["bucket", "day"])


def _new(column: tuple[str, sa.Text, str]) -> sa.Column[str]:
    name, kind, default = column
    return sa.Column(name, kind, nullable=False, server_default=default)


def _rebuild(table: str, create) -> None:  # type: ignore[no-untyped-def]
    """SQLite can't change the keys of a table. By a copy, and not by a new name, so that the text stays as written."""
    op.execute(f"CREATE TABLE old_{table} AS SELECT * FROM {table}")  # noqa: S608
    op.drop_table(table)
    create()
    names = ", ".join(column["name"] for column in sa.inspect(op.get_bind()).get_columns(f"old_{table}"))
    op.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM old_{table}")  # noqa: S608
    op.drop_table(f"old_{table}")


def _create_quota_days() -> None:
    sums = ("units_reserved", "calls", "calls_ok", "calls_failed", "calls_abandoned")
    sums += ("videos_fetched", "videos_missing", "raw_bytes", "stored_bytes")
    op.create_table(
        "quota_days",
        sa.Column("day", TEXT, nullable=False),
        sa.Column("units_limit", LARGE, nullable=False),
        *(sa.Column(name, LARGE, nullable=False, server_default="0") for name in sums),
        sa.Column("closed_by_server_at", TEXT),
        sa.Column(
            "units_elsewhere",
            LARGE,
            sa.CheckConstraint("units_elsewhere >= 0", name="ck_quota_days_elsewhere"),
            nullable=False,
            server_default="0",
        ),
        _new(BUCKET),
        sa.PrimaryKeyConstraint("bucket", "day", name="pk_quota_days"),
        sa.CheckConstraint("units_reserved BETWEEN 0 AND units_limit", name="ck_quota_days_within_budget"),
        sa.CheckConstraint("calls >= calls_ok + calls_failed + calls_abandoned", name="ck_quota_days_calls"),
        sqlite_strict=True,
    )


def _create_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", LARGE, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("quota_day", TEXT, nullable=False),
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
        sa.Column("parts", TEXT),
        _new(BUCKET),
        _new(ENDPOINT),
        sa.Column("of_call", LARGE, sa.ForeignKey("calls.id")),
        sa.ForeignKeyConstraint(
            ["bucket", "quota_day"], ["quota_days.bucket", "quota_days.day"], name="fk_calls_quota_day"
        ),
        sa.CheckConstraint("state IN ('open', 'ok', 'failed', 'abandoned')", name="ck_calls_state"),
        sa.CheckConstraint("(state = 'open') = (finished_at IS NULL)", name="ck_calls_finished"),
        sa.CheckConstraint("ids BETWEEN 1 AND 50", name="ck_calls_ids"),
        sa.CheckConstraint("units >= 0", name="ck_calls_units"),
        sa.CheckConstraint("first_position <= last_position", name="ck_calls_positions"),
        sqlite_strict=True,
    )


def _move_statistics() -> None:
    """Their calls get numbers behind those of the others. Of a day's bytes, those that are still stored are known."""
    of_day = "FROM statistics_calls AS c WHERE c.quota_day = d.day AND c.state"
    bytes_of = "FROM statistics AS s JOIN statistics_calls AS c ON c.id = s.call_id WHERE c.quota_day = d.day"
    op.execute(
        f"""
        INSERT INTO quota_days (
            bucket, day, units_limit, units_reserved, calls, calls_ok, calls_failed, calls_abandoned,
            raw_bytes, stored_bytes, closed_by_server_at, units_elsewhere
        )
        SELECT 'statistics', day, units_limit, units_reserved, calls, (SELECT count(*) {of_day} = 'ok'),
            (SELECT count(*) {of_day} = 'failed'), (SELECT count(*) {of_day} = 'abandoned'),
            (SELECT coalesce(sum(s.raw_bytes), 0) {bytes_of}), (SELECT coalesce(sum(s.stored_bytes), 0) {bytes_of}),
            closed_by_server_at, units_elsewhere
        FROM statistics_days AS d
        """  # noqa: S608 (the texts are those above)
    )
    bind = op.get_bind()
    before = bind.scalar(sa.text("SELECT coalesce(max(id), 0) FROM calls"))
    op.execute(
        f"""
        INSERT INTO calls (
            id, run_id, quota_day, units, ids, attempt, first_position, last_position, state, http_status, reason,
            started_at, finished_at, parts, bucket, endpoint, of_call
        )
        SELECT s.id + {before}, s.run_id, s.quota_day, s.units, s.ids, s.attempt, c.first_position, c.last_position,
            s.state, s.http_status, s.reason, s.started_at, s.finished_at, 'id,statistics', 'statistics',
            'videos.batchGetStats', s.of_call
        FROM statistics_calls AS s JOIN calls AS c ON c.id = s.of_call ORDER BY s.id
        """  # noqa: S608 (it is a number)
    )
    columns = "encoding, raw_bytes, stored_bytes, item_count, fetched_at, sha256, body"
    bodies = f"SELECT call_id + {before}, {columns} FROM statistics ORDER BY 1"  # noqa: S608
    op.execute(f"INSERT INTO responses (call_id, {columns}) {bodies}")
    if bind.dialect.name == "postgresql":
        op.execute("SELECT setval('calls_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM calls), false)")


def _create_views() -> None:
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
