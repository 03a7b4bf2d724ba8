"""The statements of SQLite alone. A statement that runs once a call makes one pass over the rows.

Those that PostgreSQL runs too, and the numbers of the states, are in transactions/statements.py.
"""

from harvester.ledger.transactions.statements import *  # noqa: F403 (those that both databases run)

# --- runs

# The id of the next run.
NEXT_RUN_ID = "SELECT coalesce(max(id), 0) + 1 FROM runs"
# Ended runs with open calls too: a run that counted as dead may claim once more before it renews its lease. `expired`
# is also a lease further ahead than its length, by a wrong clock. `gone` is unknown: runs hold no connection here.
OPEN_RUNS = """
SELECT id, host, boot, pid, process_started, lease_until NOT BETWEEN :now AND :latest AS expired, false AS gone
FROM runs WHERE ended_at IS NULL
UNION
SELECT id, host, boot, pid, process_started, lease_until NOT BETWEEN :now AND :latest, false FROM runs
WHERE id IN (SELECT run_id FROM calls INDEXED BY ix_calls_open WHERE state = 'open')
"""

# --- claiming and settling

# Set the scan position, where PICK_PENDING begins: no pending id before it, except suspects.
ADVANCE_SCAN_POSITION = "UPDATE video_states SET first_position = :position WHERE code = 0"
# Each call as a list: ids, attempt, first position, last position, beginning.
OPEN_CALLS = """
INSERT INTO calls (
    run_id, bucket, quota_day, units, endpoint, parts, of_call, listing_id, ids, attempt, first_position, last_position,
    started_at
)
SELECT :run_id, :bucket, :day, :units, :endpoint, :parts, :of_call, :listing_id, json_extract(value, '$[0]'),
    json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]')
FROM json_each(:rows)
"""
# All six states at once, most of them by 0: a statement for each would cost more.
COUNT_STATES = """
UPDATE video_states SET videos = videos + CASE code
    WHEN 0 THEN :pending WHEN 1 THEN :claimed WHEN 2 THEN :fetched
    WHEN 3 THEN :missing WHEN 4 THEN :failed WHEN 5 THEN :invalid END
"""
# The fence: a call that is no longer open has lost its claim, and a late worker changes nothing. The plus keeps
# SQLite from going through all open calls.
OPEN_AMONG = """
SELECT json_group_array(calls.id) FROM json_each(:calls) AS given CROSS JOIN calls ON calls.id = given.value
WHERE +calls.state = 'open'
"""
# Close one call as good, if still open, in a quarter of the time of OPEN_AMONG and CLOSE_GOOD_CALLS.
CLOSE_GOOD_CALL = """
UPDATE calls SET state = 'ok', http_status = :http_status, finished_at = :now WHERE id = :call_id AND state = 'open'
"""
# Each call as a list: id, status, end.
CLOSE_GOOD_CALLS = """
UPDATE calls SET state = 'ok', http_status = given.status, finished_at = given.finished_at
FROM (
    SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS status,
        json_extract(value, '$[2]') AS finished_at
    FROM json_each(:calls)
) AS given
WHERE calls.id = given.id AND +calls.state = 'open'
"""
# Store a body; its last columns are the fields of a Body. More rows of values may be added at its end.
STORE_RESPONSE = """
INSERT INTO responses (call_id, fetched_at, stored_bytes, body, encoding, raw_bytes, sha256, item_count)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""

# --- loading

# json_each keeps the order of the list, and an ignored row takes no position: positions stay dense, in load order.
# json_each ends a text at a NUL, so both lists have `:nul` in its place, which is empty where no text has a NUL.
INSERT_TEXTS = """
INSERT OR IGNORE INTO videos (video_id, state, load_id)
SELECT replace(value, :nul, char(0)), CASE WHEN value IN (SELECT value FROM json_each(:invalid)) THEN 5 ELSE 0 END,
    :load_id
FROM json_each(:ids)
"""
# The same where all are ids: a third faster.
INSERT_IDS = "INSERT OR IGNORE INTO videos (video_id, state, load_id) SELECT value, 0, :load_id FROM json_each(:ids)"
# How many of the ids behind a position are invalid.
NEW_INVALID = "SELECT count(*) FROM videos WHERE position > :last_position AND state = 5"
# Which of these ids stand up to a position, and whether they are invalid.
KNOWN_IDS = """
SELECT v.position, v.state = 5
FROM json_each(:ids) AS given JOIN videos v ON v.video_id = replace(given.value, :nul, char(0))
WHERE v.position <= :known_up_to
"""
