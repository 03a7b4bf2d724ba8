"""The statements of PostgreSQL alone, with those that begin and end its transactions.

Those that SQLite runs too, and the numbers of the states, are in transactions/statements.py.
"""

from harvester.ledger.transactions.statements import *  # noqa: F403 (those that both databases run)

# --- beginning and committing: each transaction writes a token, which tells whether it was committed

# Each statement sees what was committed before it began.
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
# The end of every transaction.
COMMIT = "COMMIT"

_INSTANT = "to_char((clock_timestamp(){}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
_NOW = _INSTANT.format("")
# Run before each COMMIT, which is sent after the result. So a session that may still commit locks the writer's row.
WRITE_TOKEN = f"""
INSERT INTO commit_tokens (writer, token, written_at) VALUES (%(writer)s, %(token)s, {_NOW})
ON CONFLICT (writer) DO UPDATE SET token = excluded.token, written_at = excluded.written_at
"""  # noqa: S608 (the text is that above)
# The last token that was committed, or 0. Waits for the end of a session that locks the row.
LAST_TOKEN = f"""
INSERT INTO commit_tokens (writer, token, written_at) VALUES (%(writer)s, 0, {_NOW})
ON CONFLICT (writer) DO UPDATE SET written_at = excluded.written_at RETURNING token
"""  # noqa: S608
# Delete the token of a writer that ends: its commits are no longer in doubt.
DELETE_TOKEN = "DELETE FROM commit_tokens WHERE writer = %(writer)s"  # noqa: S105 (no password)
_LONG_AGO = _INSTANT.format(" - interval '30 days'")
# Delete tokens of killed writers. A writer that is alive after all inserts its row again.
DELETE_STALE_TOKENS = f"DELETE FROM commit_tokens WHERE written_at < {_LONG_AGO}"  # noqa: S608

# --- advisory locks

# A key for each ledger: a database has one space of lock keys for all schemas and programs.
_LOCK_KEY = "hashtextextended('harvester ' || current_schema() || ' ' || {}, 0)"
# The value of `what` with which a migration takes LOCK_UNTIL_COMMIT.
MIGRATING = "migrating"
# Take a lock until the end of the transaction.
LOCK_UNTIL_COMMIT = f"SELECT pg_advisory_xact_lock({_LOCK_KEY.format('%(what)s::text')})"

# --- runs

# The id of the next run.
NEXT_RUN_ID = "SELECT nextval(pg_get_serial_sequence('runs', 'id'))"
# A run holds this lock while its connection lasts. The lock is shared, so that a new connection need not wait until
# the server notices that the old one is gone.
_RUN_LOCK = _LOCK_KEY.format("'run ' || %(run_id)s::bigint")
# Take a run's lock, until the connection ends.
LOCK_RUN = f"SELECT pg_advisory_lock_shared({_RUN_LOCK})"
# Release a run's lock.
RELEASE_RUN_LOCK = f"SELECT pg_advisory_unlock_shared({_RUN_LOCK})"
# Ended runs with open calls too: a run that counted as dead may claim once more before it renews its lease. `gone`: no
# connection holds the run's lock, and after a restart of the server there was time to take the lock again.
OPEN_RUNS = f"""
SELECT id, host, boot, pid, process_started, lease_until < %(now)s AS expired,
    clock_timestamp() > pg_postmaster_start_time() + %(return_seconds)s * interval '1 second' AND NOT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1
        AND (classid::bigint << 32) | objid::bigint = {_LOCK_KEY.format("'run ' || runs.id")}
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AS gone
FROM runs
WHERE ended_at IS NULL OR id IN (SELECT run_id FROM calls WHERE state = 'open')
ORDER BY id
"""  # noqa: S608
# The server's clock, which leases go by.
CLOCK = "SELECT clock_timestamp()"

# --- reserving and claiming

# Insert calls for one run and day. Returns their ids, in order.
OPEN_CALLS = """
INSERT INTO calls (
    run_id, bucket, quota_day, units, endpoint, parts, of_call, listing_id, ids, attempt, first_position, last_position,
    started_at
)
SELECT %(run_id)s, %(bucket)s, %(day)s, %(units)s, %(endpoint)s, %(parts)s, %(of_call)s::bigint,
    %(listing_id)s::int, ids, attempt, first, last, beginning
FROM unnest(%(ids)s::int[], %(attempts)s::int[], %(firsts)s::bigint[], %(lasts)s::bigint[], %(beginnings)s::text[])
    WITH ORDINALITY AS given (ids, attempt, first, last, beginning, place)
ORDER BY place
RETURNING id
"""

# --- what transactions change alike, written as their last

# Lock this row before changing those below, so that transactions wait here instead of in a deadlock.
TAKE_TURN = "SELECT 1 FROM video_states WHERE code = 0 FOR UPDATE"
# Move the counts kept by state.
COUNT_STATES = """
UPDATE video_states SET videos = videos + given.change
FROM unnest(%(codes)s::int[], %(changes)s::bigint[]) AS given (code, change)
WHERE video_states.code = given.code
"""
# Not simply past the claimed ids: another transaction may have locked, and may yet release, ids before them. Those are
# pending to this statement, which sees everything committed before its turn.
ADVANCE_SCAN_POSITION = """
UPDATE video_states SET first_position = coalesce(
    (
        SELECT position FROM videos
        WHERE position BETWEEN first_position AND %(to)s AND state = 0 AND suspect_batch IS NULL
        ORDER BY position LIMIT 1
    ),
    %(to)s + 1
)
WHERE code = 0 AND first_position <= %(to)s
"""

# --- closing a call

# The fence: a call that is no longer open has lost its claim, and a late worker changes nothing.
CLOSE_GOOD_CALLS = """
UPDATE calls SET state = 'ok', http_status = given.status, finished_at = given.finished_at
FROM unnest(%(ids)s::bigint[], %(statuses)s::int[], %(ends)s::text[]) AS given (id, status, finished_at)
WHERE calls.id = given.id AND state = 'open'
RETURNING calls.id
"""
# Store a body; its last columns are the fields of a Body.
STORE_RESPONSE = """
INSERT INTO responses (call_id, fetched_at, stored_bytes, body, encoding, raw_bytes, sha256, item_count)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""

# --- loading

# Positions stay dense, in load order: what is there already takes none.
INSERT_IDS = """
WITH added AS (
    INSERT INTO videos (position, video_id, state, load_id)
    SELECT (SELECT coalesce(max(position), 0) FROM videos) + row_number() OVER (ORDER BY place), video_id, state,
        %(load_id)s
    FROM unnest(%(ids)s::text[], %(states)s::int[]) WITH ORDINALITY AS given (video_id, state, place)
    WHERE NOT EXISTS (SELECT FROM videos WHERE videos.video_id = given.video_id)
    ORDER BY place
    RETURNING state, position
)
SELECT count(*), count(*) FILTER (WHERE state = 5), min(position) FROM added
"""
# Which of these ids stand up to a position, and whether they are invalid.
KNOWN_IDS = """
SELECT position, state = 5 FROM videos
WHERE video_id = ANY(%(ids)s::text[]) AND position <= %(known_up_to)s ORDER BY position
"""
