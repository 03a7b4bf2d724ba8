"""The statements that begin and commit every transaction in PostgreSQL, each with a token that tells whether it did."""

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
