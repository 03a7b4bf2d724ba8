"""The config.toml that `init` writes: every setting with its default, explained."""

from __future__ import annotations

from pathlib import Path

from harvester.errors import DISK_FULL, ConfigError, OutsideError
from harvester.support.sanitize import shown

TEMPLATE = """\
# harvester's settings. Each can be overridden by HARVESTER_<SECTION>__<KEY> in the environment, and the most used ones
# by options. Secrets never stand here: the key comes from YOUTUBE_API_KEY (or YOUTUBE_API_KEY_FILE), access to S3
# from AWS's usual variables and profiles. Relative paths are relative to this file.

[source]
uri = "songs.csv"                # CSV, Parquet or one id a line; plain, gzip or zstd; a path, s3:// or https://
column = "song"                  # the column that holds the ids
anonymous = false                # true for a public bucket: unsigned requests

[ledger]
# For many machines it is on a server: postgresql://user@host/database. See docs/postgresql.md.
url = "sqlite:///harvest.db"     # the checkpoint database: keep it, it is the crawl

[youtube]
base_url = "https://youtube.googleapis.com/youtube/v3"   # the API, or what harvester simulate prints
# What is asked for of each video: the parts of videos.list.
parts = ["snippet", "contentDetails", "status", "statistics", "topicDetails"]

[quota]
# What your project may spend a day: see Quotas of the YouTube Data API v3 in the console.
daily_units = 10_000
# The price of one call of up to 50 ids. 11 is 1 + 2 for each of the five parts. The price list of 2026 says 1: set it
# once your console agrees.
units_per_call = 11
reserve_units = 0                # left for other users of the same key
statistics_daily_units = 10_000  # what refresh --statistics-only may spend: a quota of its own, at a unit a call
units_per_channel = 1            # the price of channels.list, by which discover finds the uploads of a channel
units_per_page = 1               # the price of playlistItems.list, which lists 50 videos

[discover]
again = false                    # true: each run looks for new videos of the channels and playlists that are done

[statistics]
# If set, harvester run ends by fetching all counts that are older than so many quota days: 1d, 2d, 1w.
# every = "1d"
keep_days = 30                   # counts are deleted after so many days: YouTube's terms allow 30

[run]
concurrency = 50                 # most calls under way at once; fewer when the API pushes back
timeout_seconds = 30             # seconds that one call may take
max_attempts = 5                 # per batch, before it is split and tried smaller
patience_seconds = 600           # seconds without a good answer after which the API counts as down

[export]
uri = "songs.json"               # a path, or s3://bucket/key
# json: the responses as the API sent them; jsonl: one video a line; parquet: one video a row, columns typed;
# csv: the same for spreadsheets (csv-safe: none of its cells is taken for a formula); sqlite: a database.
# A DEST that is typed tells its own by its name.
format = "json"
table = "videos"                 # a row a video; statistics: a row a fetch of its counts, in one file
compression = "none"             # none, gzip or zstd, for json, jsonl and csv
# If set, uri is a folder of parts of at most this many bytes, for readers that work in parallel.
# max_part_bytes = 256_000_000
keep_superseded = false          # of such a folder: old parts stay until the next export, for slow readers
# The rest is for S3. What is left out, the bucket and AWS's usual settings decide.
acl = "private"                  # one of S3's canned ACLs
# region = "eu-west-3"           # where the bucket is
# encryption = "aws:kms"         # AES256, aws:kms or aws:kms:dsse
# kms_key_id = "alias/songs"     # which key for aws:kms
# storage_class = "STANDARD_IA"  # one of S3's storage classes

[report]
# The crawl's name, for the page and the summaries of [notify]. Left out, it is that of this file's folder.
# name = "songs"
# The page of harvester status --html, written at the end of each run: a path, or s3://bucket/key.
# html = "report.html"

[notify]
# Called as a run begins (url/start), ends well (url) or fails (url/fail), as healthchecks.io expects it.
# It may hold a token: HARVESTER_NOTIFY__URL in the environment keeps it out of this file.
# url = "https://hc-ping.com/your-uuid"
# Where a summary is posted when a day's run has ended, or failed. A secret like url: HARVESTER_NOTIFY__WEBHOOK.
# webhook = "https://hooks.slack.com/services/your/own/path"
webhook_format = "slack"         # slack: {"text": …}, as Mattermost and others take it too; json: every figure

[log]
level = "INFO"                   # the lowest level that is logged
format = "text"                  # text, or json for programs
"""


def write_config(path: Path | None) -> Path:
    """Write the template if there is no file yet.

    Raises ConfigError if it cannot be written, OutsideError if the disk is full.
    """
    path = path or Path("config.toml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except OSError as error:
        what = f"{shown(str(path))} cannot be written: {error.strerror}."
        if error.errno not in DISK_FULL:
            raise ConfigError(what) from None
        # The next init would keep half a file.
        path.unlink(missing_ok=True)
        raise OutsideError(what, next_step="Make room on the disk, then run harvester init again.") from None
    return path
