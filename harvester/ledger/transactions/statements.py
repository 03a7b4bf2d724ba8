"""The statements that both databases run. The transactions of each translate what follows into its own SQL.

`:name` is a value, and `IN :name` asks whether something is in a list of values. FOR UPDATE locks rows in PostgreSQL;
SQLite, which locks the file, has no need of it.

State numbers: 0 pending, 1 claimed, 2 fetched, 3 missing, 4 failed, 5 invalid.
"""

# --- runs

# Insert a run and its process.
OPEN_RUN = """
INSERT INTO runs (id, host, boot, pid, process_started, started_at, lease_until)
VALUES (:run_id, :host, :boot, :pid, :process_started, :now, :lease_until)
"""
# Also revive a run that counted as dead while its machine slept, so that recovery leaves its next claims.
RENEW_LEASE = "UPDATE runs SET lease_until = :lease_until, ended_at = NULL, reason = NULL WHERE id = :run_id"
# Note when and why a run ended.
CLOSE_RUN = "UPDATE runs SET ended_at = :now, reason = :reason WHERE id = :run_id AND ended_at IS NULL"

# --- choosing a batch: ids that another transaction is claiming are skipped

# The half to claim next, of a batch that was split.
FIRST_SUSPECT_BATCH = """
SELECT suspect_batch FROM videos WHERE state = 0 AND suspect_batch IS NOT NULL ORDER BY suspect_batch LIMIT 1
"""
# The pending ids of a half.
PICK_SUSPECTS = """
SELECT position, video_id, attempts FROM videos
WHERE state = 0 AND suspect_batch = :suspect_batch ORDER BY position LIMIT 50 FOR UPDATE SKIP LOCKED
"""
# The first pending ids that are not suspects, in load order.
PICK_PENDING = """
SELECT position, video_id, attempts FROM videos
WHERE position >= (SELECT first_position FROM video_states WHERE code = 0) AND state = 0 AND suspect_batch IS NULL
ORDER BY position LIMIT :limit FOR UPDATE SKIP LOCKED
"""
# Pending ids at given positions. Rows with the suspect_batch of the first row make the batch.
PICK_AMONG = """
SELECT position, video_id, attempts, suspect_batch FROM videos
WHERE position IN :positions AND state = 0
ORDER BY suspect_batch IS NULL, suspect_batch, position LIMIT 50 FOR UPDATE SKIP LOCKED
"""

# --- reserving units

# The units spent of a day, and whether the API closed the day.
SPENT = """
SELECT units_reserved + units_elsewhere, closed_by_server_at IS NOT NULL FROM quota_days
WHERE bucket = :bucket AND day = :day FOR UPDATE
"""
# The condition is the budget: where it does not hold, nothing is changed and nothing may be sent. It is stated
# twice, since the row to insert is checked before the conflict is seen.
RESERVE_UNITS = """
INSERT INTO quota_days AS kept (bucket, day, units_limit, units_reserved, calls)
SELECT :bucket, :day, :limit, :units, :calls WHERE :units <= :limit
ON CONFLICT (bucket, day) DO UPDATE
SET units_reserved = kept.units_reserved + excluded.units_reserved, units_limit = excluded.units_limit,
    calls = kept.calls + excluded.calls
WHERE kept.units_reserved + kept.units_elsewhere + excluded.units_reserved <= excluded.units_limit
    AND kept.closed_by_server_at IS NULL
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
# Close a day, which the API says is spent.
CLOSE_DAY = """
INSERT INTO quota_days AS kept (bucket, day, units_limit, closed_by_server_at) VALUES (:bucket, :day, 0, :now)
ON CONFLICT (bucket, day)
DO UPDATE SET closed_by_server_at = coalesce(kept.closed_by_server_at, excluded.closed_by_server_at)
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

# --- moving ids: in each range of positions, those that meet the other conditions. `Transaction.move` fills in how
# each database reads the ranges.


def _moving(change: str, condition: str) -> str:
    return f"""
UPDATE videos SET {change} FROM {{moves}}
WHERE videos.position BETWEEN given.first AND given.last AND {condition}
"""  # noqa: S608 (the texts are those below)


_OF_CALL = "state = 1 AND call_id = given.call"
# pending -> claimed. Ranges of picked ids alone: between two of them others may be claiming.
CLAIM = _moving("state = 1, call_id = given.call, attempts = attempts + 1", "state = 0")
# pending -> claimed, in one pass, for batches without gaps, each of 50 but the last, and calls with consecutive ids.
CLAIM_RANGE = """
UPDATE videos SET state = 1, call_id = :call + (position - :first) / 50, attempts = attempts + 1
WHERE position BETWEEN :first AND :last AND state = 0
"""
# claimed -> claimed, by the next call for the same ids
RECLAIM = _moving("call_id = :new_call_id, attempts = attempts + 1", _OF_CALL)
# claimed -> fetched | missing | failed
SETTLE = _moving("state = :state, suspect_batch = NULL", _OF_CALL)
# claimed -> fetched: all ids still claimed by these calls, between the first and the last of their positions.
SETTLE_REST = """
UPDATE videos SET state = 2, suspect_batch = NULL
WHERE position BETWEEN :first AND :last AND state = 1 AND call_id IN :calls
"""
# claimed -> pending
RELEASE = _moving("state = 0", _OF_CALL)
# claimed -> pending, as half of a batch that was split
SUSPECT = _moving("state = 0, suspect_batch = :suspect_batch", _OF_CALL)
# fetched -> pending
UNFETCH = _moving("state = 0, attempts = 0", "state = 2 AND call_id = given.call")
# fetched -> fetched | missing, by the call of the refresh
RENEW = _moving("state = :state, call_id = :new_call", "state = 2 AND call_id = given.call")
# Move the scan position back to a position, unless it is before it.
REWIND_SCAN_POSITION = (
    "UPDATE video_states SET first_position = :position WHERE code = 0 AND first_position > :position"
)

# --- closing a call

# Close a call that brought nothing, if still open, and set its final units.
CLOSE_FAILED_CALL = """
UPDATE calls SET state = 'failed', http_status = :http_status, reason = :reason, finished_at = :now, units = :units
WHERE id = :call_id AND state = 'open'
"""
# Abandon all open calls of a run.
ABANDON_CALLS = """
UPDATE calls SET state = 'abandoned', reason = :reason, finished_at = :now
WHERE run_id = :run_id AND state = 'open'
RETURNING id, first_position, last_position, of_call, listing_id, bucket, quota_day
"""

# --- loading

# The position of the newest id, 0 without any.
LAST_POSITION = "SELECT coalesce(max(position), 0) FROM videos"
# Insert a load of a source.
OPEN_LOAD = "INSERT INTO loads (source, loaded_at) VALUES (:source, :now) RETURNING id"
# Add a chunk to the sums of its load.
COUNT_LOAD = "UPDATE loads SET rows = rows + :rows, new = new + :new, invalid = invalid + :invalid WHERE id = :load_id"
# Note that the source of a load was read to the end.
CLOSE_LOAD = "UPDATE loads SET finished_at = :now WHERE id = :load_id"
# Delete ids that were never part of a call; no other table refers to them. Returns state and load of each.
REMOVE = """
DELETE FROM videos
WHERE position BETWEEN :first AND :last AND state IN (0, 5) AND attempts = 0 AND call_id IS NULL
    AND (CAST(:state AS int) IS NULL OR state = :state) AND (CAST(:load_id AS int) IS NULL OR load_id = :load_id)
RETURNING state, load_id
"""
# Note how many ids of a load were removed.
COUNT_REMOVED = "UPDATE loads SET removed = removed + :removed WHERE id = :load_id"

# --- requeueing, pruning and refreshing

# failed | missing -> pending. Returns the position of each.
REQUEUE = """
UPDATE videos SET state = 0, attempts = 0, suspect_batch = NULL
WHERE position BETWEEN :first AND :last AND state = :state AND (
    CAST(:reason AS text) IS NULL OR (SELECT reason FROM calls WHERE calls.id = videos.call_id) = :reason
)
RETURNING position
"""
# The ids that a call fetched, in load order.
FETCHED_BY = """
SELECT videos.position, videos.video_id
FROM calls JOIN videos ON videos.position BETWEEN calls.first_position AND calls.last_position
WHERE calls.id = :of_call AND videos.state = 2 AND videos.call_id = :of_call
ORDER BY videos.position
"""
# The calls, out of these, whose response is still there and old enough.
PICK_OLD = """
SELECT calls.id, calls.first_position, calls.last_position, responses.raw_bytes, responses.stored_bytes
FROM responses JOIN calls ON calls.id = responses.call_id
WHERE responses.call_id IN :calls AND responses.fetched_at < :before
ORDER BY calls.id FOR UPDATE OF responses
"""
# The bytes of a response, locked until the end of the transaction, as refreshing, pruning and replacing do. The next
# statement sees the state after the transaction before.
LOCK_RESPONSE = "SELECT raw_bytes, stored_bytes FROM responses WHERE call_id = :call_id FOR UPDATE"
# Abandon the refreshes of responses that are pruned. Returns their buckets and days.
ABANDON_REFRESHES = """
UPDATE calls SET state = 'abandoned', reason = 'pruned', finished_at = :now
WHERE of_call IN :calls AND endpoint = 'videos.list' AND state = 'open'
RETURNING bucket, quota_day
"""
# Delete a response.
DELETE_RESPONSE = "DELETE FROM responses WHERE call_id = :call_id"
# Record a call whose response is deleted.
MARK_PRUNED = "INSERT INTO pruned_responses (call_id, pruning_id) VALUES (:call_id, :pruning)"
# Record the sums of what is deleted.
ENTER_PRUNING = """
INSERT INTO prunings (pruned_at, fetched_before, responses, videos, raw_bytes, stored_bytes)
VALUES (:now, :before, :responses, :videos, :raw_bytes, :stored_bytes) RETURNING id
"""
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

# --- listings

# Insert a listing, unless there is one of the same target.
ADD_LISTING = """
INSERT INTO listings (kind, target, playlist_id, added_at) VALUES (:kind, :target, :playlist_id, :now)
ON CONFLICT (target) DO NOTHING
"""
# done | failed -> pending: those of the targets that failed, and if `again`, those that are done; or `all` that are
# done. `capped` stays where only new pages will be read. One without a page left it to another listing, which may be
# removed by now: named again, it is looked up again, as is a channel of which nothing is stored.
READ_AGAIN = """
UPDATE listings SET state = 'pending', finished_at = NULL, reason = NULL, next_page_token = NULL, pass_pages = 0,
    pass_items = 0, restarts = 0, capped = CASE WHEN known_up_to IS NULL THEN 0 ELSE capped END,
    playlist_id = CASE WHEN kind = 'channel' AND (channel_at IS NULL OR pages = 0) THEN NULL ELSE playlist_id END
WHERE (:all OR target IN :targets)
    AND (state = 'done' AND pages > 0 AND :again OR NOT :all AND (state = 'failed' OR state = 'done' AND pages = 0))
"""
# The next listing to read, with what to ask for: a channel whose uploads are not known yet, or a page of a playlist.
PICK_LISTING = """
SELECT id, coalesce(playlist_id, target), next_page_token FROM listings
WHERE state = 'pending' AND (playlist_id IS NULL) = :channels AND id NOT IN :given_up
ORDER BY id LIMIT 1 FOR UPDATE
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
