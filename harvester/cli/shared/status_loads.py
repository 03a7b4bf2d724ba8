"""`status --loads`: what was loaded, a line a source."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import click

from harvester.cli.shared.console import on_terminal, show
from harvester.ledger.load_records import LoadRecord
from harvester.support.sanitize import shown

HEADINGS = ("load", "when (UTC)", "rows", "new", "invalid", "removed", "source")


def list_loads(loads: Iterable[LoadRecord]) -> None:
    """A table for a person, tabs for `cut` and `sort`."""
    if not on_terminal():
        for load in loads:
            click.echo("\t".join(_cells(load)))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for heading in HEADINGS:
        text = heading in ("when (UTC)", "source")
        table.add_column(heading, justify="left" if text else "right", no_wrap=heading != "source")
    for load in loads:
        table.add_row(*map(Text, _cells(load)))
    show(table if table.row_count else Text("No load is noted: harvester load reads a source."))


def as_json(load: LoadRecord) -> dict[str, Any]:
    return {
        "id": load.id,
        "source": load.source,
        "loaded_at": _utc(load.loaded_at),
        "finished_at": _utc(load.finished_at) if load.finished_at else None,
        "rows": load.rows,
        "new": load.new,
        "invalid": load.invalid,
        "removed": load.removed,
    }


def _cells(load: LoadRecord) -> list[str]:
    numbers = (load.rows, load.new, load.invalid, load.removed)
    figures = [f"{number:,}" if on_terminal() else str(number) for number in numbers]
    cut = "" if load.finished_at else " (cut off, or under way)"
    when = f"{load.loaded_at.astimezone(UTC):%Y-%m-%d %H:%M}"
    return [str(load.id), when, *figures, f"{shown(load.source)}{cut}"]


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
