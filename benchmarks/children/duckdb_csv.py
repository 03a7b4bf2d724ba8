"""The same videos to CSV by DuckDB: `python -m benchmarks.children.duckdb_csv JSONL FILE`.

It reads the lines of an export to jsonl, unpacked and cut out beforehand, by all processors; the columns are those of
harvester's CSV that this ledger has, and neither checked nor hashed.
"""

from __future__ import annotations

import sys

import duckdb

SNIPPET = "publishedAt channelId channelTitle title description categoryId liveBroadcastContent defaultLanguage"
COLUMNS = [
    *("id", "etag", "kind"),
    *(f"snippet.{name}" for name in SNIPPET.split()),
    *("snippet.defaultAudioLanguage", "to_json(snippet.tags) AS tags"),
    *("snippet.localized.title AS localized_title", "snippet.localized.description AS localized_description"),
    *(f"contentDetails.{name}" for name in ("duration", "dimension", "definition", "caption", "licensedContent")),
    *(f"status.{name}" for name in ("uploadStatus", "privacyStatus", "license", "embeddable", "madeForKids")),
    *(f"statistics.{name}" for name in ("viewCount", "likeCount", "favoriteCount", "commentCount")),
    "to_json(topicDetails.topicCategories) AS topicCategories",
]


def main(lines: str, file: str) -> None:
    duckdb.sql(f"COPY (SELECT {', '.join(COLUMNS)} FROM read_json('{lines}')) TO '{file}' (HEADER)")


if __name__ == "__main__":
    main(*sys.argv[1:])
