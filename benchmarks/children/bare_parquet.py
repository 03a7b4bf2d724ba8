"""A bare loop from bodies to Parquet: gunzip, Arrow's JSON reader with a schema, Arrow's Parquet writer with zstd.

`python -m benchmarks.children.bare_parquet LEDGER FILE`. The columns are those of an export, as the API sends them:
counts and times stay text, and nothing is checked, ordered or kept beside. It imports nothing of harvester.
"""

from __future__ import annotations

import gzip
import sqlite3
import sys

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

RESPONSES_AT_ONCE, ROW_GROUP_ROWS = 20, 10_000


def texts(*names: str) -> list[pa.Field]:
    return [pa.field(name, pa.string()) for name in names]


def flags(*names: str) -> list[pa.Field]:
    return [pa.field(name, pa.bool_()) for name in names]


TEXTS = pa.list_(pa.string())
LOCALIZED = pa.struct(texts("title", "description"))
THUMBNAIL = pa.struct([("url", pa.string()), ("width", pa.int64()), ("height", pa.int64())])
SIZES = ("default", "medium", "high", "standard", "maxres")
SNIPPET = pa.struct(
    [
        *texts("publishedAt", "channelId", "channelTitle", "title", "description"),
        pa.field("tags", TEXTS),
        *texts("categoryId", "liveBroadcastContent", "defaultLanguage", "defaultAudioLanguage"),
        pa.field("localized", LOCALIZED),
        pa.field("thumbnails", pa.struct([(size, THUMBNAIL) for size in SIZES])),
    ]
)
CONTENT = pa.struct(
    [
        *texts("duration", "dimension", "definition", "caption", "projection"),
        *flags("licensedContent", "hasCustomThumbnail"),
        pa.field("regionRestriction", pa.struct([("allowed", TEXTS), ("blocked", TEXTS)])),
    ]
)
STATUS = pa.struct(
    [
        *texts("uploadStatus", "privacyStatus", "license", "publishAt", "failureReason", "rejectionReason"),
        *flags("embeddable", "publicStatsViewable", "madeForKids", "selfDeclaredMadeForKids"),
    ]
)
COUNTS = pa.struct(texts("viewCount", "likeCount", "dislikeCount", "favoriteCount", "commentCount"))
TOPICS = pa.struct([("topicCategories", TEXTS), ("topicIds", TEXTS), ("relevantTopicIds", TEXTS)])
VIDEO = pa.struct(
    [
        *texts("id", "etag", "kind"),
        *(pa.field("snippet", SNIPPET), pa.field("contentDetails", CONTENT), pa.field("status", STATUS)),
        *(pa.field("statistics", COUNTS), pa.field("topicDetails", TOPICS)),
    ]
)
OPTIONS = pa.json.ParseOptions(
    explicit_schema=pa.schema([("items", pa.list_(VIDEO))]), unexpected_field_behavior="ignore"
)
FLATTENED = {"snippet", "contentDetails", "status", "statistics", "topicDetails"}


def main(ledger: str, file: str) -> None:
    bodies = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True).execute("SELECT body FROM responses")
    writer, held = None, []
    while rows := bodies.fetchmany(RESPONSES_AT_ONCE):
        held.append(columns(b"".join(gzip.decompress(body) for (body,) in rows)))
        if sum(map(len, held)) >= ROW_GROUP_ROWS:
            writer = written(writer, file, held)
    written(writer, file, held).close()


def columns(text: bytes) -> pa.Table:
    read = pa.json.ReadOptions(use_threads=False, block_size=len(text) + 1)
    pages = pa.json.read_json(pa.BufferReader(text), read_options=read, parse_options=OPTIONS)
    videos = pa.Table.from_struct_array(pages["items"].combine_chunks().flatten())
    flat = {}
    for name, column in zip(videos.column_names, videos.columns, strict=True):
        if name not in FLATTENED:
            flat[name] = column
            continue
        for field, inner in zip(column.type, column.flatten(), strict=True):
            flat[f"{name}_{field.name}"] = inner
    return pa.table(flat)


def written(writer: pq.ParquetWriter | None, file: str, held: list[pa.Table]) -> pq.ParquetWriter:
    if writer is None:
        writer = pq.ParquetWriter(file, held[0].schema, compression="zstd")
    if held:
        writer.write_table(pa.concat_tables(held))
    held.clear()
    return writer


if __name__ == "__main__":
    main(*sys.argv[1:])
