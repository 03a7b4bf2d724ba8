"""Read ids from CSV, Parquet, JSON or text, plain or compressed, from a file, S3, the web or standard input.

source          an opened source; its failures are harvester's errors
open            local files and standard input; s3 and web the others
decompress      gzip and zstd, recognised by their first bytes
encoding        text in other encodings, made UTF-8
header          the header of a table, and its column of ids; wrong_files: files that hold no ids
detect_format   puts these together into chunks of texts, by the modules in formats/:
  csv_fast      CSV without quotes, by numpy; leaves out recent duplicates
  csv_general   any CSV, by the csv module; line_blocks cuts the lines of both
  parquet, json_rows, lines   Parquet by pyarrow, JSON by pandas, one id a line
video_id        the id in a text; listing_address, listing_file: channels and playlists
classify_ids    texts as ids: distinct, valid or not
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import BinaryIO

from harvester.errors import ConfigError, HarvesterError
from harvester.sources.classify_ids import IdChunk, Limit, Texts, make_chunk, read_text
from harvester.sources.detect_format import Content, Format, read_content
from harvester.sources.header import Wanted
from harvester.sources.open import open_source
from harvester.sources.source import OnRead, Source
from harvester.sources.video_id import is_video_id
from harvester.sources.wrong_files import without_ids
from harvester.support.sanitize import count

__all__ = ["IdChunk", "Limit", "is_video_id", "read_ids", "read_text"]

MIN_LIMITED_ROWS = 10_000
MAX_HELD_TEXTS = 1_000_000
MAX_HELD_CHARACTERS = 64 << 20
"""A source is refused if this many of its first characters hold no id: until then they are held in memory."""


def read_ids(
    uri: str,
    *,
    column: str,
    delimiter: str | None = None,
    encoding: str | None = None,
    anonymous: bool = False,
    limit: int | Limit | None = None,
    chunk_rows: int = 1_000_000,
    require_id: bool = False,
    stdin: BinaryIO | None = None,
    on_read: OnRead | None = None,
) -> Generator[IdChunk, None, None]:
    """Yield the ids of a source in its order, in chunks of at most `chunk_rows` rows, fewer if these are large.

    `uri` is a local path, `s3://`, `http://` or `https://`, or `-` for standard input. `column` names the ids in CSV
    and Parquet, or is the number of a column, from 1, of a table without header. Unless given, `delimiter` is detected
    and `encoding` is UTF-8. `anonymous` sends unsigned requests to S3. `limit` ends after the first `limit` distinct
    ids (a `Limit` counts them over several sources); ids are distinct within a chunk; one of an earlier chunk may be
    repeated. With `require_id`, nothing is yielded before the first valid id. `on_read` is called with the bytes read,
    a block at a time.

    Raises ConfigError if the source cannot be read (no such file or column, no permission; with `require_id`, no id in
    it), and SourceUnavailable if it may work later (network, a truncated file).
    """
    if isinstance(limit, int):
        limit = Limit(limit)
    if chunk_rows < 1 or (limit is not None and limit.most < 0):
        raise ValueError("chunk_rows must be positive, and limit not negative")
    if limit is not None:
        chunk_rows = min(chunk_rows, max(MIN_LIMITED_ROWS, limit.most))
    opening = partial(open_source, uri, anonymous=anonymous, stdin=stdin)
    return _chunks(opening, Wanted(column, delimiter, encoding), limit, chunk_rows, on_read, require_id)


def _chunks(
    opening: Callable[[], AbstractContextManager[Source]],
    wanted: Wanted,
    limit: Limit | None,
    chunk_rows: int,
    on_read: OnRead | None,
    require_id: bool,
) -> Generator[IdChunk, None, None]:
    rows = 0
    if limit is not None and limit.reached and limit.most:
        return  # an earlier source reached the limit
    try:
        with opening() as source:
            source.on_read = on_read or source.on_read
            content = read_content(source, wanted, chunk_rows, every_row=limit is not None)
            chunks = _ids(content.texts, limit)
            if require_id:
                chunks = _from_first_id(chunks, content, source.shown, wanted, limit)
            for chunk in chunks:
                yield chunk
                rows += chunk.rows
    except HarvesterError as error:
        error.state = error.state or _state(rows)
        raise


def _ids(read: Iterable[Texts], limit: Limit | None) -> Iterator[IdChunk]:
    earlier: set[str] = set()
    for texts in read:
        chunk = make_chunk(texts, earlier)
        if limit is not None:
            chunk = limit.cut(chunk, texts.texts)
        if chunk.rows:
            yield chunk
        if limit is not None and limit.reached:
            return


def _from_first_id(
    chunks: Iterator[IdChunk], content: Content, shown: str, wanted: Wanted, limit: Limit | None
) -> Iterator[IdChunk]:
    """Yield the chunks once one of them holds a valid id. Raises ConfigError if none does."""
    held: list[IdChunk] = []
    cut = limit is not None
    texts = characters = 0
    for chunk in chunks:
        held.append(chunk)
        if len(chunk.invalid) < len(chunk.ids):
            yield from held
            yield from chunks
            return
        texts += len(chunk.ids)
        characters += sum(map(len, chunk.ids))
        if texts > MAX_HELD_TEXTS or characters > MAX_HELD_CHARACTERS:
            cut = True
            break
    if held:
        examples = list(dict.fromkeys(text for chunk in held for text in chunk.ids))
        where = "" if content.format is Format.LINES else f" in column {wanted.column!r}"
        rows = sum(chunk.rows for chunk in held)
        which = (
            "Its only row holds no"
            if rows == 1
            else f"Not one of its {'first ' if cut else ''}{count(rows, 'row')} holds a"
        )
        raise without_ids(shown, f"{which} video id{where}", examples, content.hint)
    if content.format is not Format.LINES:
        what = "has no rows" if content.format is Format.JSON else "has a header and no rows"
        raise ConfigError(f"{shown} {what}.", state="Nothing was stored.", next_step="Name another source.")


def _state(rows: int) -> str:
    if not rows:
        return "No id was read; loading again is safe."
    return (
        f"The ids of the first {count(rows, 'row')} are in the ledger; loading again is safe and adds only the others."
    )
