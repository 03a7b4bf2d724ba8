"""Read one field of JSON by pandas: JSON Lines piece by piece, an array of objects at once.

yt-dlp writes the first, Google Takeout the second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

import pandas as pd

from harvester.errors import ConfigError
from harvester.sources.classify_ids import Texts
from harvester.sources.formats.line_blocks import EndlessLineError, line_pieces
from harvester.sources.header import Wanted, column_hint, column_missing

MAX_ARRAY_BYTES = 256 << 20
"""An array is read at once, in several times its size of memory; JSON Lines may have any size."""

_ARRAY = re.compile(rb"\s*\[")


def json_texts(blocks: Iterator[bytes], wanted: Wanted, shown: str) -> Iterator[Texts]:
    """Yield the wanted field of each object, as text; empty if it is missing or null. `blocks` have no byte order mark.

    Of an array of texts, yield the texts. Raises ConfigError for any other JSON.
    """
    column: str | int | None = None
    rows = 0
    for document, lines in _documents(blocks, shown):
        table = _table(document, shown, rows, lines=lines)
        if not len(table):
            continue
        if column is None:
            column = _column(table, wanted, shown)
        rows += len(table)
        yield Texts(len(table), _texts(table, column))


def _documents(blocks: Iterator[bytes], shown: str) -> Iterator[tuple[bytes, bool]]:
    """Yield what to parse at once, and whether it is JSON Lines."""
    pieces = line_pieces(blocks)
    try:
        for number, piece in enumerate(pieces):
            if number == 0 and _ARRAY.match(piece):
                yield _whole(piece, pieces, shown), False
            elif piece.strip():
                yield piece, True
    except EndlessLineError:
        raise _refused(shown, "a line has no end") from None


def _whole(piece: bytes, rest: Iterator[bytes], shown: str) -> bytes:
    gathered = bytearray(piece)
    for more in rest:
        gathered += more
        if len(gathered) > MAX_ARRAY_BYTES:
            raise _refused(shown, f"an array of more than {MAX_ARRAY_BYTES >> 20} MiB is not read")
    return bytes(gathered)


def _table(document: bytes, shown: str, rows: int, *, lines: bool) -> pd.DataFrame:
    text = document.decode(errors="replace").encode()
    try:
        return pd.read_json(BytesIO(text), lines=lines, dtype=False)
    except (ValueError, RecursionError) as error:
        raise _refused(shown, f"after row {rows:,}: {str(error).rstrip('.')}") from error


def _column(table: pd.DataFrame, wanted: Wanted, shown: str) -> str | int:
    """Return the field's name as the first objects spell it; 0 if they are texts."""
    names = [str(name) for name in table.columns]
    if wanted.column in names:
        return wanted.column
    if names == ["0"]:
        return 0
    raise column_missing(names, wanted.column, shown, column_hint(shown, names))


def _texts(table: pd.DataFrame, column: str | int) -> list[str]:
    if column not in table.columns:
        return [""] * len(table)
    values = table[column]
    return values.where(values.notna(), "").map(str).tolist()


def _refused(shown: str, how: str) -> ConfigError:
    return ConfigError(
        f"{shown} is JSON that cannot be read: {how}.",
        next_step="Write JSON Lines, one object a line, or one id a line: jq -r '.[].id' FILE | harvester load -",
    )
