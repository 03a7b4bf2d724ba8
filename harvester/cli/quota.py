"""quota: show and correct quota days."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harvester.cli.shared.console import on_terminal, show_rows, warn_of_clock
from harvester.cli.shared.global_options import GlobalOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from harvester.changes_between_runs import BucketDays
    from harvester.model import Bucket, QuotaDay

DAYS = 14
"""Newest days shown on a terminal; a program gets all of them."""


def _day(_ctx: click.Context, _param: click.Parameter, value: str | None) -> date | None:
    from datetime import date

    try:
        return None if value is None else date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no day: write 2026-11-23.") from None


@click.command(epilog="\b\nExample: harvester quota\nExample: harvester quota --spent 500")
@click.option("--reopen", callback=_day, metavar="DAY", help="Reopen a day that was closed wrongly.")
@click.option(
    "--spent",
    type=click.IntRange(min=0),
    metavar="N",
    help="Units of the key that others spent today, N in all; replaces an earlier entry.",
)
@click.option("--statistics", is_flag=True, help="For the separate quota of statistics.")
@click.pass_obj
def quota(options: GlobalOptions, reopen: date | None, spent: int | None, statistics: bool) -> None:
    """Show the quota days, reopen one, or enter what others spent.

    A day ends at midnight Pacific time. Runs leave to others what they spent. A day is closed once the API said that it
    is spent; if it is reopened, the next run continues until the API says so again. Spends no unit.
    """
    import asyncio

    from harvester import changes_between_runs
    from harvester.clock import SystemClock
    from harvester.support.sanitize import count

    if statistics and reopen is None and spent is None:
        raise click.UsageError("--statistics goes with --reopen or --spent: both quotas are shown without.")
    config, clock = options.config(), SystemClock()
    bucket: Bucket = "statistics" if statistics else "default"
    if reopen is not None:
        asyncio.run(changes_between_runs.reopen(config, reopen, bucket))
        click.echo(f"{reopen} is open again.")
    if spent is not None:
        day = asyncio.run(changes_between_runs.spend(config, spent, clock, bucket))
        click.echo(f"On {day}, others spent {count(spent, 'unit')}.")
    if reopen is None and spent is None:
        _show(changes_between_runs.buckets(config, clock))
        warn_of_clock(options.harvester())


HEADINGS = ("quota", "day (Pacific)", "calls", "spent", "by others", "of", "left", "closed by the API (UTC)")


def _show(buckets: Sequence[BucketDays]) -> None:
    most = DAYS if on_terminal() else 0
    rows = [_cells(bucket, day) for bucket in buckets for day in bucket.days[-most:]]
    show_rows(HEADINGS, rows, (*HEADINGS[:2], HEADINGS[-1]))


def _cells(bucket: BucketDays, day: QuotaDay) -> tuple[str | int, ...]:
    closed = f"{day.closed_by_server_at:%Y-%m-%d %H:%M}" if day.closed_by_server_at else ""
    numbers = (day.calls, day.units, day.elsewhere, bucket.daily_units, day.remaining(bucket.daily_units))
    return bucket.name, str(day.day), *numbers, closed
