"""Id files: CSV, Parquet or one id a line, plain or packed, from a disk, S3, the web or standard input.

    source.py    an opened source; its failures come as harvester's errors
    places.py    local files and standard input; s3.py and web.py the others
    packing.py   gzip and zstd, told apart by their first bytes
    layout.py    which format it is, and where the header stands
    readers.py   puts these together into chunks of texts, by plain.py, table.py, parquet.py and lines.py
    plain.py     CSV without quotes and surprises, by numpy; recent.py leaves out what has just been there
    table.py     any CSV, by pandas
    ids.py       texts as ids: distinct, stripped, valid or not

Memory is bounded by the chunk, not by the file. Importing this costs nothing: numpy comes with the
first CSV, pandas with the first that is not plain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import BinaryIO

from harvester.errors import HarvesterError
from harvester.sources.ids import Earlier, IdChunk, Limit, is_video_id, make_chunk
from harvester.sources.places import open_source
from harvester.sources.readers import read_texts
from harvester.sources.source import OnRead, Source

__all__ = ["IdChunk", "is_video_id", "read_ids"]

MIN_LIMITED_ROWS = 10_000


def read_ids(
    uri: str,
    *,
    column: str,
    anonymous: bool = False,
    limit: int | None = None,
    chunk_rows: int = 1_000_000,
    stdin: BinaryIO | None = None,
    on_read: OnRead | None = None,
) -> Iterator[IdChunk]:
    """Read the ids of a source in chunks of at most `chunk_rows` rows, fewer where these hold much, in its order.

    `uri` is a local path, `s3://`, `http://` or `https://`, or `-` for standard input. `column` names the ids in CSV
    and Parquet. `anonymous` sends unsigned requests to S3. `limit` ends after the first `limit` distinct ids; ids
    are distinct within a chunk; one that came in an earlier chunk may come again, or not. `on_read` hears of the
    bytes, a block at a time.

    Raises ConfigError where the source cannot be read as it is named (no such file, column or right), and
    SourceUnavailable where it may work later (network, a file that ends in the middle).
    """
    if chunk_rows < 1 or (limit is not None and limit < 0):
        raise ValueError("chunk_rows must be positive, and limit not negative")
    if limit is not None:
        chunk_rows = min(chunk_rows, max(MIN_LIMITED_ROWS, limit))
    opening = partial(open_source, uri, anonymous=anonymous, stdin=stdin)
    return _chunks(opening, column, limit, chunk_rows, on_read)


def _chunks(
    opening: Callable[[], AbstractContextManager[Source]],
    column: str,
    limit: int | None,
    chunk_rows: int,
    on_read: OnRead | None,
) -> Iterator[IdChunk]:
    rest = Limit(limit) if limit is not None else None
    earlier = Earlier()
    rows = 0
    try:
        with opening() as source:
            source.file.on_read = on_read or source.file.on_read
            for texts in read_texts(source, column, chunk_rows, every_row=rest is not None):
                chunk = make_chunk(texts, earlier)
                if rest is not None:
                    chunk = rest.cut(chunk, texts.texts)
                if chunk.rows:
                    yield chunk
                    rows += chunk.rows
                if rest is not None and rest.reached:
                    return
    except HarvesterError as error:
        error.state = error.state or _state(rows)
        raise


def _state(rows: int) -> str:
    if not rows:
        return "No id was read; loading again is safe."
    return f"The ids of the first {rows:,} rows are in the ledger; loading again is safe and adds only the others."
