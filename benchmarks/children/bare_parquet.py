"""A bare loop from bodies to Parquet: msgspec reads, pyarrow writes, nothing is checked and nothing else is kept.

`python -m benchmarks.children.bare_parquet LEDGER FILE`. The columns are those of an export: what differs is what
harvester does besides (checksums, load order, what the schema does not know, the manifest).
"""

from __future__ import annotations

import sqlite3
import sys
import time
import zlib
from operator import attrgetter

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from harvester.export.formats.columns import DURATION, schema
from harvester.export.formats.video import Video

RESPONSES_AT_ONCE = 200


class Page(msgspec.Struct):
    items: list[Video]


def main(ledger: str, file: str) -> None:
    began = time.perf_counter()
    decode = msgspec.json.Decoder(Page, strict=False).decode
    # What harvester adds to a video has no place in its body.
    names = [name for name in schema().names if name not in ("other_json", "fetched_at", DURATION)]
    wanted = pa.schema([schema().field(name) for name in names])
    getters = [attrgetter(_path(name.removesuffix("_iso"))) for name in names]
    bodies = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True).execute("SELECT body FROM responses")
    with pq.ParquetWriter(file, wanted, compression="zstd") as writer:
        while rows := bodies.fetchmany(RESPONSES_AT_ONCE):
            videos = [video for (body,) in rows for video in decode(zlib.decompress(body, 31)).items]
            columns = [
                _array([_plain(value) for value in map(get, videos)], field.type)
                for get, field in zip(getters, wanted, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=wanted))
    print(time.perf_counter() - began)


def _path(name: str) -> str:
    """`snippet_localized_title` is a field of a field of a field."""
    return name.replace("_", ".")


def _array(values: list[object], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.string()).cast(kind)
    return pa.array(values, kind)


def _plain(value: object) -> object:
    """Objects as the dicts and lists that pyarrow takes."""
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    return list(value.items()) if isinstance(value, dict) else value


if __name__ == "__main__":
    main(*sys.argv[1:])
