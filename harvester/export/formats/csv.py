"""`csv`: one video a row, by RFC 4180; the scalar columns of Parquet, and lists of texts as JSON.

A null is an empty field; every text is quoted, also an empty one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from harvester.export.counters import Counters
from harvester.export.formats.columns import is_list
from harvester.export.formats.rows import Lines, gathered, video_lines
from harvester.export.formats.table_rows import TABLE_COLUMNS, table_rows
from harvester.export.formats.video import Flag
from harvester.ledger.reader import LedgerReader
from harvester.model import Span

END = b"\r\n"
HEADER = ",".join(name for name, _ in TABLE_COLUMNS).encode() + END
FORMULA = tuple("=+-@\t\r\n")
"""Characters that may begin a formula in a spreadsheet (OWASP, "CSV Injection")."""
GUARD = "'"
ROWS_IN_A_PIECE = 500
"""Each piece is a member of a gzip file, so another number would change the bytes."""


def csv_file(reader: LedgerReader, span: Span, counters: Counters, *, safe: bool = False) -> Iterator[bytes]:
    """Yield the fetched videos of the span in load order. If `safe`, no text begins like a formula."""
    yield HEADER
    # In this thread: the GIL is held nearly all the time, and with another one it takes an eighth more.
    for lines in gathered(video_lines(reader, span), ROWS_IN_A_PIECE):
        counters.videos += len(lines.videos)
        yield rows(lines, safe=safe)


def rows(lines: Lines, *, safe: bool) -> bytes:
    """Return the rows of these videos, each with its line end."""
    cells = _SAFE_CELLS if safe else _CELLS
    return b"".join(
        # Row by row, because an emoji makes Python store the whole joined text in four bytes a character.
        ",".join(["" if value is None else cell(value) for cell, value in zip(cells, row, strict=True)]).encode() + END
        for row in table_rows(lines)
    )


def _text(value: str) -> str:
    return f'"{value}"' if '"' not in value else '"' + value.replace('"', '""') + '"'


def _safe_text(value: str) -> str:
    return _text(GUARD + value if value.startswith(FORMULA) else value)


def _list(value: list[str]) -> str:
    return _text(msgspec.json.encode(value).decode())


def _number(value: float) -> str:
    """Format a number as JavaScript and Arrow do: with all digits unless it is very large or very small."""
    usual = value == 0 or 1e-6 <= abs(value) < 1e10
    return f"{Decimal(repr(value)).normalize():{'f' if usual else 'e'}}"


def _cell(kind: Any, text: Callable[[str], str]) -> Callable[[Any], str]:
    if is_list(kind):
        return _list
    flag = {True: "true", False: "false"}.__getitem__
    cells: dict[Any, Callable[[Any], str]] = {str: text, bool: flag, Flag: flag, float: _number}
    return cells.get(kind, str)


_CELLS = [_cell(kind, _text) for _, kind in TABLE_COLUMNS]
_SAFE_CELLS = [_cell(kind, _safe_text) for _, kind in TABLE_COLUMNS]
