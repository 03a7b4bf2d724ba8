"""Lines and tables of a result: for rich on a terminal, which takes time to import, and as plain text elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

GAP = 2
"""Columns between those of a table."""


@dataclass(frozen=True)
class Line:
    """A line or several, or a cell of a table, in a style of rich's."""

    plain: str = ""
    style: str = ""

    def lines(self) -> Sequence[str]:
        """Return the lines."""
        return self.plain.split("\n")

    def __rich__(self) -> Text:
        from rich.text import Text

        return Text(self.plain, self.style)


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    style: str = ""
    right: bool = False
    wrap: bool = True


@dataclass(frozen=True)
class Block:
    """A table without lines between its cells."""

    columns: Sequence[Column]
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[Line | str]] = ()

    def lines(self) -> Iterator[str]:
        """Yield the rows, each cell as wide as its column."""
        rows = [[cell.plain if isinstance(cell, Line) else cell for cell in row] for row in self.rows]
        rows = [list(self.headings), *rows] if self.headings else rows
        widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
        for row in rows:
            cells = zip(row, widths, self.columns, strict=True)
            yield (" " * GAP).join(
                cell.rjust(width) if column.right else cell.ljust(width) for cell, width, column in cells
            )

    def __rich__(self) -> Table:
        from rich.table import Table

        table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, show_header=bool(self.headings))
        for column, heading in zip(self.columns, self.headings or [""] * len(self.columns), strict=True):
            table.add_column(
                heading,
                style=column.style,
                header_style="dim",
                justify="right" if column.right else "left",
                no_wrap=not column.wrap,
            )
        for row in self.rows:
            table.add_row(*(cell if isinstance(cell, Line) else Line(cell) for cell in row))
        return table
