"""The cells of CSV by RFC 4180. A null is an empty cell; every text is quoted, also an empty one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from harvester.export.formats.table_rows import TABLE_COLUMNS, Row
from harvester.export.formats.video_columns import is_list
from harvester.export.formats.video_fields import Flag

Cell: TypeAlias = Callable[[Any], str]
Columns: TypeAlias = Sequence[tuple[str, Any]]

END = b"\r\n"
FORMULA = tuple("=+-@\t\r\n")
"""Characters that may begin a formula in a spreadsheet (OWASP, "CSV Injection")."""
GUARD = "'"
ROWS_IN_A_PIECE = 500
"""Each piece is a member of a gzip file, so another number would change the bytes."""


def cells_of(row: Row, *, safe: bool) -> list[str]:
    """Return the cells of a row of TABLE_COLUMNS. If `safe`, no text begins like a formula."""
    return _made(_SAFE_CELLS if safe else _CELLS, row)


def header(columns: Columns) -> bytes:
    """Return the line of the columns' names."""
    return ",".join(name for name, _ in columns).encode() + END


def csv_table(columns: Columns, pieces: Iterable[Iterable[Row]], *, safe: bool) -> Iterator[bytes]:
    """Yield a header, then the rows of each piece, of any table."""
    yield header(columns)
    cells = [_cell(kind, safe_text if safe else text) for _, kind in columns]
    for rows in pieces:
        yield b"".join(",".join(_made(cells, row)).encode() + END for row in rows)


def _made(cells: Sequence[Cell], row: Row) -> list[str]:
    return ["" if value is None else cell(value) for cell, value in zip(cells, row, strict=True)]


def text(value: str) -> str:
    """Return the cell of a text."""
    return f'"{value}"' if '"' not in value else '"' + value.replace('"', '""') + '"'


def safe_text(value: str) -> str:
    """Return the cell of a text that does not begin like a formula."""
    return text(GUARD + value if value.startswith(FORMULA) else value)


def _list(value: list[str]) -> str:
    return text(msgspec.json.encode(value).decode())


def _number(value: float) -> str:
    """Format a number as JavaScript and Arrow do: with all digits unless it is very large or very small."""
    usual = value == 0 or 1e-6 <= abs(value) < 1e10
    return f"{Decimal(repr(value)).normalize():{'f' if usual else 'e'}}"


def _cell(kind: Any, of_text: Cell) -> Cell:
    if is_list(kind):
        return _list
    flag = {True: "true", False: "false"}.__getitem__
    cells: dict[Any, Cell] = {str: of_text, bool: flag, Flag: flag, float: _number}
    return cells.get(kind, str)


_CELLS = [_cell(kind, text) for _, kind in TABLE_COLUMNS]
_SAFE_CELLS = [_cell(kind, safe_text) for _, kind in TABLE_COLUMNS]
