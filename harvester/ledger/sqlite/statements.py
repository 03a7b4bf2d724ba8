"""Every statement that writes a SQLite ledger. A statement that runs once a call makes one pass over the rows.

State numbers: 0 pending, 1 claimed, 2 fetched, 3 missing, 4 failed, 5 invalid.
"""

# --- runs

# The id of the next run.
NEXT_RUN_ID = "SELECT coalesce(max(id), 0) + 1 FROM runs"
# Insert a run and its process.
OPEN_RUN = """
INSERT INTO runs (id, host, boot, pid, process_started, started_at, lease_until)
VALUES (:run_id, :host, :boot, :pid, :process_started, :now, :lease_until)
"""
# Also revive a run that counted as dead while its machine slept, so that recovery leaves its next claims.
RENEW_LEASE = "UPDATE runs SET lease_until = :lease_until, ended_at = NULL, reason = NULL WHERE id = :run_id"
# Note when and why a run ended.
CLOSE_RUN = "UPDATE runs SET ended_at = :now, reason = :reason WHERE id = :run_id AND ended_at IS NULL"
# Ended runs with open calls too: a run that counted as dead may claim once more before it renews its lease. `expired`
# is also a lease further ahead than its length, by a wrong clock. `gone` is unknown: runs hold no connection here.
OPEN_RUNS = """
SELECT id, host, boot, pid, process_started, lease_until NOT BETWEEN :now AND :latest AS expired, false AS gone
FROM runs WHERE ended_at IS NULL
UNION
SELECT id, host, boot, pid, process_started, lease_until NOT BETWEEN :now AND :latest, false FROM runs
WHERE id IN (SELECT run_id FROM calls INDEXED BY ix_calls_open WHERE state = 'open')
"""

# --- choosing a batch. Each returns one row with a JSON list for each column: fifty rows would take the GIL fifty
# times, and make fifty lists.


def _as_lists(columns: str, rows: str) -> str:
    lists = ", ".join(f"json_group_array({column})" for column in columns.split(", "))
    return f"SELECT {lists} FROM ({rows})"  # noqa: S608 (the texts are those below)


# The half to claim next, of a batch that was split.
FIRST_SUSPECT_BATCH = """
SELECT suspect_batch FROM videos INDEXED BY ix_videos_suspect
WHERE state = 0 AND suspect_batch IS NOT NULL ORDER BY suspect_batch LIMIT 1
"""
# The pending ids of a half.
PICK_SUSPECTS = _as_lists(
    columns="position, video_id, attempts",
    rows="""
SELECT position, video_id, attempts FROM videos INDEXED BY ix_videos_suspect
WHERE state = 0 AND suspect_batch = :suspect_batch ORDER BY position LIMIT 50
""",
)
# The first pending ids that are not suspects, in load order.
PICK_PENDING = _as_lists(
    columns="position, video_id, attempts",
    rows="""
SELECT position, video_id, attempts FROM videos
WHERE position >= (SELECT first_position FROM video_states WHERE code = 0) AND state = 0 AND suspect_batch IS NULL
ORDER BY position LIMIT :limit
""",
)
# Set the scan position, where PICK_PENDING begins: no pending id before it, except suspects.
ADVANCE_SCAN_POSITION = "UPDATE video_states SET first_position = :position WHERE code = 0"
# Move the scan position back to a position, unless it is before it.
REWIND_SCAN_POSITION = "UPDATE video_states SET first_position = min(first_position, :position) WHERE code = 0"
# Pending ids at given positions. Rows with the suspect_batch of the first row make the batch.
PICK_AMONG = _as_lists(
    columns="position, video_id, attempts, suspect_batch",
    rows="""
SELECT position, video_id, attempts, suspect_batch FROM videos
WHERE position IN (SELECT value FROM json_each(:positions)) AND state = 0
ORDER BY suspect_batch IS NULL, suspect_batch, position LIMIT 50
""",
)

# --- reserving and claiming

# The units spent of a day, and whether the API closed the day.
SPENT = """
SELECT units_reserved + units_elsewhere, closed_by_server_at IS NOT NULL FROM quota_days
WHERE bucket = :bucket AND day = :day
"""
# The condition is the budget: where it does not hold, nothing is changed and nothing may be sent. It is stated
# twice, since the row to insert is checked before the conflict is seen.
RESERVE_UNITS = """
INSERT INTO quota_days (bucket, day, units_limit, units_reserved, calls)
SELECT :bucket, :day, :limit, :units, :calls WHERE :units <= :limit
ON CONFLICT (bucket, day) DO UPDATE
SET units_reserved = units_reserved + excluded.units_reserved, units_limit = excluded.units_limit,
    calls = calls + excluded.calls
WHERE units_reserved + units_elsewhere + excluded.units_reserved <= excluded.units_limit AND closed_by_server_at IS NULL
"""
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

# --- moving ids: in each range of positions, those that meet the other conditions. Each range is a list: first
# position, last position, call.


def _moving(change: str, condition: str) -> str:
    return f"""
UPDATE videos SET {change}
FROM (
    SELECT json_extract(value, '$[0]') AS first, json_extract(value, '$[1]') AS last,
        json_extract(value, '$[2]') AS call
    FROM json_each(:moves)
) AS given
WHERE videos.position BETWEEN given.first AND given.last AND {condition}
"""  # noqa: S608 (the texts are those below)


# pending -> claimed. Ranges of picked ids alone.
CLAIM = _moving("state = 1, call_id = given.call, attempts = attempts + 1", "state = 0")
# pending -> claimed, in one pass, for batches without gaps, each of 50 but the last, and calls with consecutive ids.
CLAIM_RANGE = """
UPDATE videos SET state = 1, call_id = :call + (position - :first) / 50, attempts = attempts + 1
WHERE position BETWEEN :first AND :last AND state = 0
"""
_OF_CALL = "state = 1 AND call_id = given.call"
# claimed -> claimed, by the next call for the same ids
RECLAIM = _moving("call_id = :new_call_id, attempts = attempts + 1", _OF_CALL)
# claimed -> fetched | missing | failed
SETTLE = _moving("state = :state, suspect_batch = NULL", _OF_CALL)
# claimed -> fetched: all ids still claimed by these calls, between the first and the last of their positions.
SETTLE_REST = """
UPDATE videos SET state = 2, suspect_batch = NULL
WHERE position BETWEEN :first AND :last AND state = 1 AND call_id IN (SELECT value FROM json_each(:calls))
"""
# claimed -> pending
RELEASE = _moving("state = 0", _OF_CALL)
# claimed -> pending, as half of a batch that was split
SUSPECT = _moving("state = 0, suspect_batch = :suspect_batch", _OF_CALL)

# All six states at once, most of them by 0: a statement for each would cost more.
COUNT_STATES = """
UPDATE video_states SET videos = videos + CASE code
    WHEN 0 THEN :pending WHEN 1 THEN :claimed WHEN 2 THEN :fetched
    WHEN 3 THEN :missing WHEN 4 THEN :failed WHEN 5 THEN :invalid END
"""

# --- closing a call

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
# Close a call that brought nothing, if still open, and set its final units.
CLOSE_CALL = """
UPDATE calls SET state = :state, http_status = :http_status, reason = :reason, finished_at = :now, units = :units
WHERE id = :call_id AND state = 'open'
"""
# More rows of values may be added at its end.
STORE_RESPONSE = """
INSERT INTO responses (call_id, encoding, raw_bytes, stored_bytes, item_count, fetched_at, sha256, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
# What a transaction adds to the sums of a day, all at once.
COUNT_DAY = """
UPDATE quota_days SET calls_ok = calls_ok + :ok, calls_failed = calls_failed + :failed,
    calls_abandoned = calls_abandoned + :abandoned, units_reserved = units_reserved - :refund,
    videos_fetched = videos_fetched + :fetched, videos_missing = videos_missing + :missing,
    raw_bytes = raw_bytes + :raw_bytes, stored_bytes = stored_bytes + :stored_bytes,
    calls_listed = calls_listed + :listed
WHERE bucket = :bucket AND day = :day
"""
# Abandon all open calls of a run.
ABANDON_CALLS = """
UPDATE calls SET state = 'abandoned', reason = :reason, finished_at = :now
WHERE run_id = :run_id AND state = 'open'
RETURNING id, first_position, last_position, of_call, listing_id, bucket, quota_day
"""
# Close a day, which the API says is spent.
CLOSE_DAY = """
INSERT INTO quota_days (bucket, day, units_limit, closed_by_server_at) VALUES (:bucket, :day, 0, :now)
ON CONFLICT (bucket, day)
DO UPDATE SET closed_by_server_at = coalesce(closed_by_server_at, excluded.closed_by_server_at)
"""
# Reopen a closed day.
REOPEN_DAY = """
UPDATE quota_days SET closed_by_server_at = NULL
WHERE bucket = :bucket AND day = :day AND closed_by_server_at IS NOT NULL
"""
# Note the units of a day spent by others, in all.
SPEND_ELSEWHERE = """
INSERT INTO quota_days (bucket, day, units_limit, units_elsewhere) VALUES (:bucket, :day, 0, :units)
ON CONFLICT (bucket, day) DO UPDATE SET units_elsewhere = excluded.units_elsewhere
"""

# --- loading

# The position of the newest id, 0 without any.
LAST_POSITION = "SELECT coalesce(max(position), 0) FROM videos"
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
# Insert a load of a source.
OPEN_LOAD = "INSERT INTO loads (source, loaded_at) VALUES (:source, :now) RETURNING id"
# Add a chunk to the sums of its load.
COUNT_LOAD = "UPDATE loads SET rows = rows + :rows, new = new + :new, invalid = invalid + :invalid WHERE id = :load_id"
# Note that the source of a load was read to the end.
CLOSE_LOAD = "UPDATE loads SET finished_at = :now WHERE id = :load_id"
# Delete ids that were never part of a call; no other table refers to them. Returns state and load of each, and 1.
REMOVE = """
DELETE FROM videos
WHERE position BETWEEN :first AND :last AND state IN (0, 5) AND attempts = 0 AND call_id IS NULL
    AND (:state IS NULL OR state = :state) AND (:load_id IS NULL OR load_id = :load_id)
RETURNING state, load_id, 1
"""
# Note how many ids of a load were removed.
COUNT_REMOVED = "UPDATE loads SET removed = removed + :removed WHERE id = :load_id"

# --- requeueing and pruning

# failed | missing -> pending. Returns 1 and the position of each.
REQUEUE = """
UPDATE videos SET state = 0, attempts = 0, suspect_batch = NULL
WHERE position BETWEEN :first AND :last AND state = :state AND (
    :reasons IS NULL
    OR (SELECT reason FROM calls WHERE calls.id = videos.call_id) IN (SELECT value FROM json_each(:reasons))
)
RETURNING 1, position
"""
# The calls, out of these, whose response is still there and old enough.
PICK_OLD = """
SELECT calls.id, calls.first_position, calls.last_position
FROM json_each(:calls) AS given CROSS JOIN responses ON responses.call_id = given.value
CROSS JOIN calls ON calls.id = responses.call_id
WHERE responses.fetched_at < :before
"""
# fetched -> pending
UNFETCH = _moving("state = 0, attempts = 0", "state = 2 AND call_id = given.call")
# The bytes of the responses of these calls.
SIZES_OF = """
SELECT coalesce(sum(raw_bytes), 0), coalesce(sum(stored_bytes), 0)
FROM json_each(:calls) AS given CROSS JOIN responses ON responses.call_id = given.value
"""
# Delete a response.
DELETE_RESPONSES = "DELETE FROM responses WHERE call_id = :call_id"
# Record the sums of what is deleted.
ENTER_PRUNING = """
INSERT INTO prunings (pruned_at, fetched_before, responses, videos, raw_bytes, stored_bytes)
VALUES (:now, :before, :responses, :videos, :raw_bytes, :stored_bytes) RETURNING id
"""
# Record the calls whose responses are deleted.
MARK_PRUNED = "INSERT INTO pruned_responses (call_id, pruning_id) SELECT value, :pruning FROM json_each(:calls)"

# --- refreshing old responses

# Whether a response is there. No other process can delete it, since the write lock is held.
LOCK_RESPONSE = "SELECT 1 FROM responses WHERE call_id = :call_id"
# The number of ids in a response, if the response and the newest answer of that endpoint about it are old enough, and
# no call under way asks for the same.
OLD_RESPONSE = """
SELECT item_count FROM responses
WHERE call_id = :of_call AND :before > coalesce(
    (
        SELECT newer.fetched_at FROM calls JOIN responses AS newer ON newer.call_id = calls.id
        WHERE calls.of_call = :of_call AND calls.endpoint = :endpoint
        ORDER BY calls.id DESC LIMIT 1
    ),
    fetched_at
)
AND NOT EXISTS (SELECT 1 FROM calls WHERE of_call = :of_call AND endpoint = :endpoint AND state = 'open')
"""
# The ids that a call fetched, in load order.
PICK_FETCHED_BY = _as_lists(
    columns="position, video_id",
    rows="""
SELECT videos.position, videos.video_id
FROM calls CROSS JOIN videos ON videos.position BETWEEN calls.first_position AND calls.last_position
WHERE calls.id = :of_call AND videos.state = 2 AND videos.call_id = :of_call
ORDER BY videos.position
""",
)
# fetched -> fetched | missing, by the call of the refresh
RENEW = _moving("state = :state, call_id = :new_call", "state = 2 AND call_id = given.call")
# Abandon the refreshes of responses that are pruned. Returns their buckets and days.
ABANDON_REFRESHES = """
UPDATE calls SET state = 'abandoned', reason = 'pruned', finished_at = :now
WHERE of_call IN (SELECT value FROM json_each(:calls)) AND endpoint = 'videos.list' AND state = 'open'
RETURNING bucket, quota_day
"""

# --- listings

# Insert a listing, unless there is one of the same target.
ADD_LISTING = """
INSERT INTO listings (kind, target, playlist_id, added_at) VALUES (:kind, :target, :playlist_id, :now)
ON CONFLICT (target) DO NOTHING
"""
# done | failed -> pending: those of the targets that failed, and if `again`, those that are done; without targets, of
# all. `capped` stays where only new pages will be read. One without a page left it to another listing, which may be
# removed by now: named again, it is looked up again, as is a channel of which nothing is stored.
READ_AGAIN = """
UPDATE listings SET state = 'pending', finished_at = NULL, reason = NULL, next_page_token = NULL, pass_pages = 0,
    pass_items = 0, restarts = 0, capped = CASE WHEN known_up_to IS NULL THEN 0 ELSE capped END,
    playlist_id = CASE WHEN kind = 'channel' AND (channel_at IS NULL OR pages = 0) THEN NULL ELSE playlist_id END
WHERE (:targets IS NULL OR target IN (SELECT value FROM json_each(:targets)))
    AND (state = 'done' AND pages > 0 AND :again
        OR :targets IS NOT NULL AND (state = 'failed' OR state = 'done' AND pages = 0))
"""
# The next listing to read, with what to ask for: a channel whose uploads are not known yet, or a page of a playlist.
PICK_LISTING = """
SELECT id, coalesce(playlist_id, target), next_page_token FROM listings
WHERE state = 'pending' AND (playlist_id IS NULL) = :channels AND id NOT IN (SELECT value FROM json_each(:given_up))
ORDER BY id LIMIT 1
"""
# pending -> claimed, or back.
MOVE_LISTING = "UPDATE listings SET state = :state WHERE id = :listing_id"
# How far a listing has been read.
LISTING = """
SELECT kind, target, pages, pass_pages, pass_items, restarts, reported_total, capped, known_up_to, load_id
FROM listings WHERE id = :listing_id
"""
# claimed -> pending | done | failed, with all that a page changes.
SETTLE_LISTING = """
UPDATE listings SET state = :state, next_page_token = :next_page_token, pages = :pages, pass_pages = :pass_pages,
    pass_items = :pass_items, restarts = :restarts, reported_total = :reported_total, capped = :capped,
    known_up_to = :known_up_to, reason = :reason, load_id = :load_id, finished_at = :finished_at
WHERE id = :listing_id
"""
# Store what channels.list says of a channel.
NOTE_CHANNEL = """
UPDATE listings SET channel_id = :channel_id, title = :title, playlist_id = :uploads_id,
    resource = :resource, channel_at = :now
WHERE id = :listing_id
"""
# pending | done | failed -> failed: it is read no further; named again, it is read from its beginning.
REMOVE_LISTING = """
UPDATE listings SET state = 'failed', reason = :reason, finished_at = :now, next_page_token = NULL, known_up_to = NULL
WHERE id = :listing_id AND state <> 'claimed'
"""
# Whether another listing reads the same playlist, or has read it.
SAME_PLAYLIST = """
SELECT 1 FROM listings WHERE playlist_id = :playlist_id AND id <> :listing_id
    AND (state IN ('pending', 'claimed') OR state = 'done' AND pages > 0) LIMIT 1
"""
# Delete what was stored of channels before a time.
FORGET_CHANNELS = "UPDATE listings SET title = NULL, resource = NULL, channel_at = NULL WHERE channel_at < :before"
