"""Every statement that writes a PostgreSQL ledger.

State numbers: 0 pending, 1 claimed, 2 fetched, 3 missing, 4 failed, 5 invalid.
"""

# --- advisory locks

# A key for each ledger: a database has one space of lock keys for all schemas and programs.
_LOCK_KEY = "hashtextextended('harvester ' || current_schema() || ' ' || {}, 0)"
# The value of `what` with which a migration takes LOCK_UNTIL_COMMIT.
MIGRATING = "migrating"
# Take a lock until the end of the transaction.
LOCK_UNTIL_COMMIT = f"SELECT pg_advisory_xact_lock({_LOCK_KEY.format('%(what)s::text')})"

# --- runs

# Insert a run and its process.
OPEN_RUN = """
INSERT INTO runs (id, host, boot, pid, process_started, started_at, lease_until)
VALUES (%(run_id)s, %(host)s, %(boot)s, %(pid)s, %(process_started)s, %(now)s, %(lease_until)s)
"""
# The id of the next run.
NEXT_RUN_ID = "SELECT nextval(pg_get_serial_sequence('runs', 'id'))"
# A run holds this lock while its connection lasts. The lock is shared, so that a new connection need not wait until
# the server notices that the old one is gone.
_RUN_LOCK = _LOCK_KEY.format("'run ' || %(run_id)s::bigint")
# Take a run's lock, until the connection ends.
LOCK_RUN = f"SELECT pg_advisory_lock_shared({_RUN_LOCK})"
# Release a run's lock.
RELEASE_RUN_LOCK = f"SELECT pg_advisory_unlock_shared({_RUN_LOCK})"
# Also revive a run that counted as dead while its machine slept, so that recovery leaves its next claims.
RENEW_LEASE = "UPDATE runs SET lease_until = %(lease_until)s, ended_at = NULL, reason = NULL WHERE id = %(run_id)s"
# Note when and why a run ended.
CLOSE_RUN = "UPDATE runs SET ended_at = %(now)s, reason = %(reason)s WHERE id = %(run_id)s AND ended_at IS NULL"
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

# --- choosing a batch: ids that another transaction is claiming are skipped

# The half to claim next, of a batch that was split.
FIRST_SUSPECT_BATCH = """
SELECT suspect_batch FROM videos WHERE suspect_batch IS NOT NULL AND state = 0 ORDER BY suspect_batch LIMIT 1
"""
# The pending ids of a half.
PICK_SUSPECTS = """
SELECT position, video_id, attempts FROM videos
WHERE state = 0 AND suspect_batch = %(suspect_batch)s ORDER BY position LIMIT 50 FOR UPDATE SKIP LOCKED
"""
_PENDING = """
SELECT position, video_id, attempts FROM videos
WHERE position >= (SELECT first_position FROM video_states WHERE code = 0) AND state = 0 AND suspect_batch IS NULL
ORDER BY position LIMIT %(limit)s
"""
# The first pending ids that are not suspects, in load order.
PICK_PENDING = _PENDING + "FOR UPDATE SKIP LOCKED"
# The same where no other ids are left: wait for locked ids, which other transactions may yet release.
PICK_PENDING_BLOCKING = _PENDING + "FOR UPDATE"
# Pending ids at given positions. Rows with the suspect_batch of the first row make the batch.
PICK_AMONG = """
SELECT position, video_id, attempts, suspect_batch FROM videos
WHERE position = ANY(%(positions)s::bigint[]) AND state = 0
ORDER BY suspect_batch NULLS LAST, position LIMIT 50 FOR UPDATE SKIP LOCKED
"""

# --- reserving and claiming

# The units spent of a day, and whether the API closed the day.
SPENT = """
SELECT units_reserved + units_elsewhere, closed_by_server_at IS NOT NULL FROM quota_days
WHERE bucket = %(bucket)s AND day = %(day)s FOR UPDATE
"""
# The condition is the budget: where it does not hold, nothing is changed and nothing may be sent. It is stated
# twice, since the row to insert is checked before the conflict is seen.
RESERVE_UNITS = """
INSERT INTO quota_days AS kept (bucket, day, units_limit, units_reserved, calls)
SELECT %(bucket)s, %(day)s, %(limit)s, %(units)s, %(calls)s WHERE %(units)s <= %(limit)s
ON CONFLICT (bucket, day) DO UPDATE
SET units_reserved = kept.units_reserved + excluded.units_reserved, units_limit = excluded.units_limit,
    calls = kept.calls + excluded.calls
WHERE kept.units_reserved + kept.units_elsewhere + excluded.units_reserved <= excluded.units_limit
    AND kept.closed_by_server_at IS NULL
"""
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

# --- moving ids: in each range of positions, those that meet the other conditions


def _moving(change: str, condition: str) -> str:
    return f"""
UPDATE videos SET {change}
FROM unnest(%(firsts)s::bigint[], %(lasts)s::bigint[], %(calls)s::bigint[]) AS given (first, last, call)
WHERE videos.position BETWEEN given.first AND given.last AND {condition}
"""  # noqa: S608 (the texts are those below)


# pending -> claimed. Ranges of picked ids alone: between two of them others may be claiming.
CLAIM = _moving("state = 1, call_id = given.call, attempts = attempts + 1", "state = 0")
# pending -> claimed, in one pass, for batches without gaps, each of 50 but the last, and calls with consecutive ids.
CLAIM_RANGE = """
UPDATE videos SET state = 1, call_id = %(call)s + (position - %(first)s) / 50, attempts = attempts + 1
WHERE position BETWEEN %(first)s AND %(last)s AND state = 0
"""
_OF_CALL = "state = 1 AND call_id = given.call"
# claimed -> claimed, by the next call for the same ids
RECLAIM = _moving("call_id = %(new_call_id)s, attempts = attempts + 1", _OF_CALL)
# claimed -> fetched | missing | failed
SETTLE = _moving("state = %(state)s, suspect_batch = NULL", _OF_CALL)
# claimed -> fetched: all ids still claimed by these calls, between the first and the last of their positions.
SETTLE_REST = """
UPDATE videos SET state = 2, suspect_batch = NULL
WHERE position BETWEEN %(first)s AND %(last)s AND state = 1 AND call_id = ANY(%(calls)s)
"""
# claimed -> pending
RELEASE = _moving("state = 0", _OF_CALL)
# claimed -> pending, as half of a batch that was split
SUSPECT = _moving("state = 0, suspect_batch = %(suspect_batch)s", _OF_CALL)
# fetched -> pending
UNFETCH = _moving("state = 0, attempts = 0", "state = 2 AND call_id = given.call")

# --- what transactions change alike, written as their last

# Add to the sums of a day.
COUNT_DAY = """
UPDATE quota_days SET calls_ok = calls_ok + %(ok)s, calls_failed = calls_failed + %(failed)s,
    calls_abandoned = calls_abandoned + %(abandoned)s, units_reserved = units_reserved - %(refund)s,
    videos_fetched = videos_fetched + %(fetched)s, videos_missing = videos_missing + %(missing)s,
    raw_bytes = raw_bytes + %(raw_bytes)s, stored_bytes = stored_bytes + %(stored_bytes)s,
    calls_listed = calls_listed + %(listed)s
WHERE bucket = %(bucket)s AND day = %(day)s
"""
# Lock this row before changing those below, so that transactions wait here instead of in a deadlock.
TAKE_TURN = "SELECT 1 FROM video_states WHERE code = 0 FOR UPDATE"
# Move the counts kept by state.
COUNT_STATES = """
UPDATE video_states SET videos = videos + given.change
FROM unnest(%(codes)s::int[], %(changes)s::bigint[]) AS given (code, change)
WHERE video_states.code = given.code
"""
# Move the scan position, where PICK_PENDING begins: no pending id before it, except suspects.
REWIND_SCAN_POSITION = "UPDATE video_states SET first_position = least(first_position, %(position)s) WHERE code = 0"
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
# Close a call that brought nothing, if still open, and set its final units.
CLOSE_CALL = """
UPDATE calls SET state = %(state)s, http_status = %(http_status)s, reason = %(reason)s, finished_at = %(now)s,
    units = %(units)s
WHERE id = %(call_id)s AND state = 'open'
"""
# Store the body of a good answer.
STORE_RESPONSE = """
INSERT INTO responses (call_id, encoding, raw_bytes, stored_bytes, item_count, fetched_at, sha256, body)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
# Abandon all open calls of a run.
ABANDON_CALLS = """
UPDATE calls SET state = 'abandoned', reason = %(reason)s, finished_at = %(now)s
WHERE run_id = %(run_id)s AND state = 'open'
RETURNING id, first_position, last_position, of_call, listing_id, bucket, quota_day
"""
# Close a day, which the API says is spent.
CLOSE_DAY = """
INSERT INTO quota_days AS kept (bucket, day, units_limit, closed_by_server_at)
VALUES (%(bucket)s, %(day)s, 0, %(now)s)
ON CONFLICT (bucket, day) DO UPDATE
SET closed_by_server_at = coalesce(kept.closed_by_server_at, excluded.closed_by_server_at)
"""
# Reopen a closed day.
REOPEN_DAY = """
UPDATE quota_days SET closed_by_server_at = NULL
WHERE bucket = %(bucket)s AND day = %(day)s AND closed_by_server_at IS NOT NULL
"""
# Note the units of a day spent by others, in all.
SPEND_ELSEWHERE = """
INSERT INTO quota_days (bucket, day, units_limit, units_elsewhere) VALUES (%(bucket)s, %(day)s, 0, %(units)s)
ON CONFLICT (bucket, day) DO UPDATE SET units_elsewhere = excluded.units_elsewhere
"""

# --- loading

# The position of the newest id, 0 without any.
LAST_POSITION = "SELECT coalesce(max(position), 0) FROM videos"
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
# Insert a load of a source.
OPEN_LOAD = "INSERT INTO loads (source, loaded_at) VALUES (%(source)s, %(now)s) RETURNING id"
# Add a chunk to the sums of its load.
COUNT_LOAD = """
UPDATE loads SET rows = rows + %(rows)s, new = new + %(new)s, invalid = invalid + %(invalid)s WHERE id = %(load_id)s
"""
# Note that the source of a load was read to the end.
CLOSE_LOAD = "UPDATE loads SET finished_at = %(now)s WHERE id = %(load_id)s"
# Delete ids that were never part of a call; no other table refers to them.
REMOVE = """
WITH removed AS (
    DELETE FROM videos
    WHERE position BETWEEN %(first)s AND %(last)s AND state IN (0, 5) AND attempts = 0 AND call_id IS NULL
        AND (%(state)s::int IS NULL OR state = %(state)s) AND (%(load_id)s::int IS NULL OR load_id = %(load_id)s)
    RETURNING state, load_id
)
SELECT state, load_id, count(*) FROM removed GROUP BY state, load_id ORDER BY load_id
"""
# Note how many ids of a load were removed.
COUNT_REMOVED = "UPDATE loads SET removed = removed + %(removed)s WHERE id = %(load_id)s"

# --- requeueing and pruning

# failed | missing -> pending: how many, and the first one's position
REQUEUE = """
WITH moved AS (
    UPDATE videos SET state = 0, attempts = 0, suspect_batch = NULL
    WHERE position BETWEEN %(first)s AND %(last)s AND state = %(state)s AND (
        %(reasons)s::text[] IS NULL
        OR (SELECT reason FROM calls WHERE calls.id = videos.call_id) = ANY(%(reasons)s::text[])
    )
    RETURNING position
)
SELECT count(*), min(position) FROM moved
"""
# The calls, out of these, whose response is still there and old enough.
PICK_OLD = """
SELECT calls.id, calls.first_position, calls.last_position
FROM responses JOIN calls ON calls.id = responses.call_id
WHERE responses.call_id = ANY(%(calls)s::bigint[]) AND responses.fetched_at < %(before)s
ORDER BY calls.id FOR UPDATE OF responses
"""
# The bytes of the responses of these calls.
SIZES_OF = """
SELECT coalesce(sum(raw_bytes), 0), coalesce(sum(stored_bytes), 0) FROM responses
WHERE call_id = ANY(%(calls)s::bigint[])
"""
# Delete these responses.
DELETE_RESPONSES = "DELETE FROM responses WHERE call_id = ANY(%(calls)s::bigint[])"
# Record the sums of what is deleted.
ENTER_PRUNING = """
INSERT INTO prunings (pruned_at, fetched_before, responses, videos, raw_bytes, stored_bytes)
VALUES (%(now)s, %(before)s, %(responses)s, %(videos)s, %(raw_bytes)s, %(stored_bytes)s) RETURNING id
"""
# Record the calls whose responses are deleted.
MARK_PRUNED = """
INSERT INTO pruned_responses (call_id, pruning_id) SELECT call, %(pruning)s FROM unnest(%(calls)s::bigint[]) AS call
"""

# --- refreshing old responses

# Lock a response until the end of the transaction, as refreshing, pruning and replacing do. The next statement sees the
# state after the transaction before.
LOCK_RESPONSE = "SELECT 1 FROM responses WHERE call_id = %(call_id)s FOR UPDATE"
# The number of ids in a response, if the response and the newest answer of that endpoint about it are old enough, and
# no call under way asks for the same.
OLD_RESPONSE = """
SELECT item_count FROM responses
WHERE call_id = %(of_call)s AND %(before)s > coalesce(
    (
        SELECT newer.fetched_at FROM calls JOIN responses AS newer ON newer.call_id = calls.id
        WHERE calls.of_call = %(of_call)s AND calls.endpoint = %(endpoint)s
        ORDER BY calls.id DESC LIMIT 1
    ),
    fetched_at
)
AND NOT EXISTS (SELECT FROM calls WHERE of_call = %(of_call)s AND endpoint = %(endpoint)s AND state = 'open')
"""
# The ids that a call fetched, in load order.
PICK_FETCHED_BY = """
SELECT videos.position, videos.video_id
FROM calls JOIN videos ON videos.position BETWEEN calls.first_position AND calls.last_position
WHERE calls.id = %(of_call)s AND videos.state = 2 AND videos.call_id = %(of_call)s
ORDER BY videos.position
"""
# fetched -> fetched | missing, by the call of the refresh
RENEW = _moving("state = %(state)s, call_id = %(new_call)s", "state = 2 AND call_id = given.call")
# Abandon the refreshes of responses that are pruned. Returns their buckets and days.
ABANDON_REFRESHES = """
UPDATE calls SET state = 'abandoned', reason = 'pruned', finished_at = %(now)s
WHERE of_call = ANY(%(calls)s::bigint[]) AND endpoint = 'videos.list' AND state = 'open'
RETURNING bucket, quota_day
"""

# --- listings

# Insert a listing, unless there is one of the same target.
ADD_LISTING = """
INSERT INTO listings (kind, target, playlist_id, added_at)
VALUES (%(kind)s, %(target)s, %(playlist_id)s, %(now)s)
ON CONFLICT (target) DO NOTHING
"""
# done | failed -> pending: those of the targets that failed, and if `again`, those that are done; without targets, of
# all. `capped` stays where only new pages will be read. One without a page left it to another listing, which may be
# removed by now: named again, it is looked up again, as is a channel of which nothing is stored.
READ_AGAIN = """
UPDATE listings SET state = 'pending', finished_at = NULL, reason = NULL, next_page_token = NULL, pass_pages = 0,
    pass_items = 0, restarts = 0, capped = CASE WHEN known_up_to IS NULL THEN 0 ELSE capped END,
    playlist_id = CASE WHEN kind = 'channel' AND (channel_at IS NULL OR pages = 0) THEN NULL ELSE playlist_id END
WHERE (%(targets)s::text[] IS NULL OR target = ANY(%(targets)s::text[]))
    AND (state = 'done' AND pages > 0 AND %(again)s
        OR %(targets)s::text[] IS NOT NULL AND (state = 'failed' OR state = 'done' AND pages = 0))
"""
# The next listing to read, with what to ask for: a channel whose uploads are not known yet, or a page of a playlist.
PICK_LISTING = """
SELECT id, coalesce(playlist_id, target), next_page_token FROM listings
WHERE state = 'pending' AND (playlist_id IS NULL) = %(channels)s AND id <> ALL(%(given_up)s::int[])
ORDER BY id LIMIT 1 FOR UPDATE
"""
# pending -> claimed, or back.
MOVE_LISTING = "UPDATE listings SET state = %(state)s WHERE id = %(listing_id)s"
# How far a listing has been read.
LISTING = """
SELECT kind, target, pages, pass_pages, pass_items, restarts, reported_total, capped, known_up_to, load_id
FROM listings WHERE id = %(listing_id)s
"""
# claimed -> pending | done | failed, with all that a page changes.
SETTLE_LISTING = """
UPDATE listings SET state = %(state)s, next_page_token = %(next_page_token)s, pages = %(pages)s,
    pass_pages = %(pass_pages)s, pass_items = %(pass_items)s, restarts = %(restarts)s,
    reported_total = %(reported_total)s, capped = %(capped)s, known_up_to = %(known_up_to)s, reason = %(reason)s,
    load_id = %(load_id)s, finished_at = %(finished_at)s
WHERE id = %(listing_id)s
"""
# Store what channels.list says of a channel.
NOTE_CHANNEL = """
UPDATE listings SET channel_id = %(channel_id)s, title = %(title)s, playlist_id = %(uploads_id)s,
    resource = %(resource)s, channel_at = %(now)s
WHERE id = %(listing_id)s
"""
# pending | done | failed -> failed: it is read no further; named again, it is read from its beginning.
REMOVE_LISTING = """
UPDATE listings SET state = 'failed', reason = %(reason)s, finished_at = %(now)s, next_page_token = NULL,
    known_up_to = NULL
WHERE id = %(listing_id)s AND state <> 'claimed'
"""
# Whether another listing reads the same playlist, or has read it.
SAME_PLAYLIST = """
SELECT 1 FROM listings WHERE playlist_id = %(playlist_id)s AND id <> %(listing_id)s
    AND (state IN ('pending', 'claimed') OR state = 'done' AND pages > 0) LIMIT 1
"""
# Delete what was stored of channels before a time.
FORGET_CHANNELS = "UPDATE listings SET title = NULL, resource = NULL, channel_at = NULL WHERE channel_at < %(before)s"
