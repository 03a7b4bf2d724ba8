"""The tables of the ledger. Kept equal to what the migrations build, by test.

A person may open the file with `sqlite3` or Datasette: begin with the views `videos_readable` and
`calls_readable`, or with `select * from video_states`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

metadata = MetaData()

# PostgreSQL's default integers have 32 bits, and its texts are by default compared by a language's rules.
LARGE = Integer().with_variant(BigInteger, "postgresql")
TEXT = Text().with_variant(Text(collation="C"), "postgresql")


def _table(name: str, *columns_and_constraints: Any, **options: Any) -> Table:
    return Table(name, metadata, *columns_and_constraints, sqlite_strict=True, **options)


def _counts(*names: str) -> list[Column[int]]:
    return [Column(name, LARGE, nullable=False, server_default="0") for name in names]


def _partial_index(name: str, where: ColumnElement[bool], *columns: Column[Any], **options: Any) -> None:
    # The options for PostgreSQL are in `info`: naming one makes SQLAlchemy import the whole dialect, which would slow
    # the start of every command by a tenth.
    Index(name, *columns, sqlite_where=where, **({"info": {"postgresql": {"where": where}}} | options))


# What each state is called and how many ids are in it. The counts are kept by the same transactions that move
# ids, so that asking for them costs nothing however large the crawl; `verify` recounts and compares. Claims
# begin to look for pending ids at the `first_position` of that state: none but suspects lies before it.
video_states = _table(
    "video_states",
    Column("code", Integer, primary_key=True, autoincrement=False),
    Column("name", TEXT, nullable=False, unique=True),
    Column("meaning", TEXT, nullable=False),
    Column("videos", LARGE, nullable=False, server_default="0"),
    Column("first_position", LARGE, nullable=False, server_default="1"),
    CheckConstraint("videos >= 0", name="ck_video_states_videos"),
)

# One row for each loaded source. The counts are kept by the transactions that add and remove ids; `finished_at` stays
# NULL where the load was cut off.
loads = _table(
    "loads",
    Column("id", Integer, primary_key=True),
    Column("source", TEXT, nullable=False),
    Column("loaded_at", TEXT, nullable=False),
    *_counts("rows", "new", "invalid", "removed"),
    Column("finished_at", TEXT),
    CheckConstraint("rows >= 0", name="ck_loads_rows"),
    CheckConstraint("new >= 0 AND invalid BETWEEN 0 AND new", name="ck_loads_new"),
    CheckConstraint("removed BETWEEN 0 AND new", name="ck_loads_removed"),
)

# PostgreSQL only: the number of the transaction that each writer committed last. It tells whether a commit succeeded
# whose answer was lost.
commit_tokens = _table(
    "commit_tokens",
    Column("writer", TEXT, primary_key=True),
    Column("token", LARGE, nullable=False),
    Column("written_at", TEXT, nullable=False),
)

# Executions of `harvester run`. The claims of a run are void once its process is dead or its lease is over. A run
# begins by its machine's clock, and ends by the API's where the two are far apart.
runs = _table(
    "runs",
    Column("id", Integer, primary_key=True),
    Column("host", TEXT, nullable=False),
    Column("boot", TEXT, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", TEXT, nullable=False),
    Column("started_at", TEXT, nullable=False),
    Column("lease_until", TEXT, nullable=False),
    Column("ended_at", TEXT),
    Column("reason", TEXT),
)
# Serves: the runs to look at in recovery.
_partial_index("ix_runs_open", runs.c.ended_at.is_(None), runs.c.id)

# Units are reserved here in the transaction that claims, before the call is sent; each of the API's daily quotas, its
# buckets, has days of its own. The sums behind the units are of the day's calls; its videos are those that it settled,
# not those of a refresh, which were settled before. In the bucket of statistics they are those that it has counts of.
quota_days = _table(
    "quota_days",
    Column("day", TEXT, nullable=False),
    Column("units_limit", LARGE, nullable=False),
    *_counts("units_reserved", "calls", "calls_ok", "calls_failed", "calls_abandoned"),
    *_counts("videos_fetched", "videos_missing", "raw_bytes", "stored_bytes"),
    Column("closed_by_server_at", TEXT),
    # What others spent of the same quota, as far as a person entered it.
    Column(
        "units_elsewhere",
        LARGE,
        CheckConstraint("units_elsewhere >= 0", name="ck_quota_days_elsewhere"),
        nullable=False,
        server_default="0",
    ),
    Column("bucket", TEXT, nullable=False, server_default="default"),
    # Good calls for listings. All other good calls have brought a response.
    *_counts("calls_listed"),
    PrimaryKeyConstraint("bucket", "day", name="pk_quota_days"),
    CheckConstraint("units_reserved BETWEEN 0 AND units_limit", name="ck_quota_days_within_budget"),
    CheckConstraint("calls >= calls_ok + calls_failed + calls_abandoned", name="ck_quota_days_calls"),
)

# Channels and playlists whose videos are found page by page. A page's ids are added in the transaction that stores the
# token of the next page. A pass reads a listing once, from the first page on; `pass_pages` and `pass_items` are of
# the newest.
listings = _table(
    "listings",
    Column("id", Integer, primary_key=True),
    Column("kind", TEXT, nullable=False),
    # The handle or id of the channel, or the id of the playlist.
    Column("target", TEXT, nullable=False, unique=True),
    Column("state", TEXT, nullable=False, server_default="pending"),
    Column("channel_id", TEXT),
    # The playlist to read: of a channel, that of its uploads, which channels.list names.
    Column("playlist_id", TEXT),
    Column("title", TEXT),
    # The channel as the API sent it, in JSON, and when.
    Column("resource", TEXT),
    Column("channel_at", TEXT),
    Column("next_page_token", TEXT),
    Column("pages", Integer, nullable=False, server_default="0"),
    Column("pass_pages", Integer, nullable=False, server_default="0"),
    Column("pass_items", Integer, nullable=False, server_default="0"),
    # How often the pass began again or went back by a page: see MAX_RESTARTS in listing_types.py.
    Column("restarts", Integer, nullable=False, server_default="0"),
    # Items of the playlist, as the API last said.
    Column("reported_total", LARGE),
    # 1 where the playlist has more items than the API gives.
    Column("capped", Integer, nullable=False, server_default="0"),
    # The newest position when the uploads were last read to the end. The next pass ends at the first page whose ids all
    # stand up to there. NULL: a pass reads all pages.
    Column("known_up_to", LARGE),
    Column("reason", TEXT),
    Column("load_id", ForeignKey("loads.id")),
    Column("added_at", TEXT, nullable=False),
    Column("finished_at", TEXT),
    CheckConstraint("kind IN ('channel', 'playlist')", name="ck_listings_kind"),
    CheckConstraint("state IN ('pending', 'claimed', 'done', 'failed')", name="ck_listings_state"),
    CheckConstraint("(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name="ck_listings_finished"),
    CheckConstraint("(state = 'failed') = (reason IS NOT NULL)", name="ck_listings_reason"),
    CheckConstraint("kind = 'channel' OR playlist_id IS NOT NULL", name="ck_listings_playlist"),
    CheckConstraint("pass_pages BETWEEN 0 AND pages", name="ck_listings_pages"),
    CheckConstraint("capped IN (0, 1)", name="ck_listings_capped"),
)

# Append-only: a row is made with the claim and closed once. `first_position` and `last_position` bound its ids. A call
# with `of_call` asks again for what that one fetched, or for the statistics of it: meanwhile its ids stay fetched.
calls = _table(
    "calls",
    Column("id", LARGE, primary_key=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("quota_day", TEXT, nullable=False),
    Column("units", Integer, nullable=False),
    Column("ids", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("first_position", LARGE, nullable=False),
    Column("last_position", LARGE, nullable=False),
    Column("state", TEXT, nullable=False, server_default="open"),
    Column("http_status", Integer),
    Column("reason", TEXT),
    Column("started_at", TEXT, nullable=False),
    Column("finished_at", TEXT),
    # The parts that it asked for, comma-separated; NULL in calls of earlier versions.
    Column("parts", TEXT),
    Column("bucket", TEXT, nullable=False, server_default="default"),
    # The method of the API that it calls.
    Column("endpoint", TEXT, nullable=False, server_default="videos.list"),
    Column("of_call", ForeignKey("calls.id")),
    # The listing that it reads. Such a call asks for no ids of videos: `ids` is 1, its positions are 0.
    Column("listing_id", ForeignKey("listings.id")),
    ForeignKeyConstraint(["bucket", "quota_day"], ["quota_days.bucket", "quota_days.day"], name="fk_calls_quota_day"),
    CheckConstraint("state IN ('open', 'ok', 'failed', 'abandoned')", name="ck_calls_state"),
    CheckConstraint("(state = 'open') = (finished_at IS NULL)", name="ck_calls_finished"),
    CheckConstraint("ids BETWEEN 1 AND 50", name="ck_calls_ids"),
    CheckConstraint("units >= 0", name="ck_calls_units"),
    CheckConstraint("first_position <= last_position", name="ck_calls_positions"),
)
_OPEN = calls.c.state == "open"
# Serves: the open calls of a dead run, in recovery.
_partial_index("ix_calls_open", _OPEN, calls.c.run_id)
# A listing is read by one call at a time.
_partial_index("ux_calls_listing", _OPEN & calls.c.listing_id.is_not(None), calls.c.listing_id, unique=True)
# Serves: whether a response is asked for again already, and the statistics of a response.
_partial_index("ix_calls_of_call", calls.c.of_call.is_not(None), calls.c.of_call)

# Load order is `position`. `suspect_batch` is set on the halves of a batch that the API refused: ids that share
# one are asked together and apart from all others, so that the one at fault is found in few calls.
videos = _table(
    "videos",
    Column("position", LARGE, primary_key=True),
    Column("video_id", TEXT, nullable=False),
    Column("state", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("call_id", ForeignKey("calls.id")),
    Column("suspect_batch", LARGE),
    # The load that brought it; NULL in ids of earlier versions. No foreign key: adding one would rebuild this table.
    Column("load_id", Integer),
    CheckConstraint("state BETWEEN 0 AND 5", name="ck_videos_state"),
    # Ids that are claimed, fetched, missing or failed have a call; invalid ids never do. A list of those states would
    # take a third of a claim's time in SQLite.
    CheckConstraint("state NOT BETWEEN 1 AND 4 OR call_id IS NOT NULL", name="ck_videos_call"),
    CheckConstraint("state <> 5 OR call_id IS NULL", name="ck_videos_invalid"),
    # Leaves room on the page for the two updates that an id usually gets.
    info={"postgresql": {"with": {"fillfactor": 45}}},
)
Index("ux_videos_video_id", videos.c.video_id, unique=True)
_SUSPECT = videos.c.suspect_batch.is_not(None)
# Serves: the claim of half of a batch that was split.
_partial_index(
    "ix_videos_suspect",
    (videos.c.state == 0) & _SUSPECT,
    videos.c.suspect_batch,
    videos.c.position,
    # `state` is not in it, so that PostgreSQL can update a row without touching its indexes.
    info={"postgresql": {"where": _SUSPECT}},
)

# What the API sent, as received: videos, or statistics of a response, as `calls.endpoint` says. Statistics are kept
# until their age, whatever becomes of their response. `body` stands last so that the rest is read without it.
responses = _table(
    "responses",
    Column("call_id", ForeignKey("calls.id"), primary_key=True, autoincrement=False),
    Column("encoding", TEXT, nullable=False),
    Column("raw_bytes", Integer, nullable=False),
    Column("stored_bytes", Integer, nullable=False),
    Column("item_count", Integer, nullable=False),
    Column("fetched_at", TEXT, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    CheckConstraint("encoding IN ('gzip', 'identity')", name="ck_responses_encoding"),
    CheckConstraint("stored_bytes = length(body)", name="ck_responses_stored_bytes"),
    CheckConstraint("length(sha256) = 32", name="ck_responses_sha256"),
)

# Append-only: what was deleted for its age, or replaced, a row a transaction. The days keep what they stored; status
# takes this off.
prunings = _table(
    "prunings",
    Column("id", Integer, primary_key=True),
    Column("pruned_at", TEXT, nullable=False),
    Column("fetched_before", TEXT, nullable=False),
    Column("responses", LARGE, nullable=False),
    Column("videos", LARGE, nullable=False),
    Column("raw_bytes", LARGE, nullable=False),
    Column("stored_bytes", LARGE, nullable=False),
    CheckConstraint("responses >= 1", name="ck_prunings_responses"),
    CheckConstraint("videos >= 0", name="ck_prunings_videos"),
)

# The good calls of videos.list whose response is no longer stored. All others have theirs.
pruned_responses = _table(
    "pruned_responses",
    Column("call_id", ForeignKey("calls.id"), primary_key=True, autoincrement=False),
    Column("pruning_id", ForeignKey("prunings.id"), nullable=False),
)
