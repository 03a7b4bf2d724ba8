"""refresh: fetch old responses again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harvester.cli.shared.global_options import GlobalOptions
from harvester.cli.shared.parameters import parse_age

if TYPE_CHECKING:
    from datetime import timedelta


@click.command(epilog="\b\nExample: harvester refresh --older-than 25d\nExample: harvester refresh --statistics-only")
@click.option("--older-than", callback=parse_age, metavar="AGE", help="Such as 25d, 12h or 4w. [for statistics: 1d]")
@click.option(
    "--changed-parts", is_flag=True, help="Responses that were asked for with other parts than youtube.parts."
)
@click.option(
    "--statistics-only", is_flag=True, help="Only views, likes and comments: a unit a call, of a separate quota."
)
@click.option("--max-calls", type=click.IntRange(min=1), help="End after this many calls.")
@click.option("--dry-run", is_flag=True, help="Say how much it would be; send, spend and change nothing.")
@click.pass_obj
def refresh(
    options: GlobalOptions,
    older_than: timedelta | None,
    changed_parts: bool,
    statistics_only: bool,
    max_calls: int | None,
    dry_run: bool,
) -> None:
    """Fetch again what is old or has other parts.

    YouTube's terms allow 30 days. Spends units and ends as a run does: when nothing is left, when the day's units are
    spent, or when it is told to stop. An old response stays until the new one is stored, so an export is always
    complete. May be used during a run.
    """
    from datetime import timedelta

    from harvester.cli.shared.console import show
    from harvester.cli.shared.crawl_progress import report_progress
    from harvester.cli.shared.progress_line import progress
    from harvester.cli.shared.signals import stopped_by_signals
    from harvester.crawl.run_report import RunReport
    from harvester.report import command_results
    from harvester.support.progress_callback import Advance

    if changed_parts and (statistics_only or older_than is not None):
        raise click.UsageError("--changed-parts goes with neither --older-than nor --statistics-only.")
    if older_than is None and not changed_parts:
        if not statistics_only:
            raise click.UsageError("--older-than says what is old: YouTube's terms allow 30 days, so 25d leaves some.")
        older_than = timedelta(days=1)
    harvester = options.harvester()
    refresh = harvester.refresh_of(older_than, statistics_only=statistics_only)
    due = harvester.due(refresh, max_calls)
    what = command_results.STATISTICS if statistics_only else command_results.RESPONSES
    if dry_run or not due.old.responses:
        show(command_results.due(due, older_than, what))
        return
    report = RunReport()
    with (
        stopped_by_signals() as (runner, stop),
        progress("refresh", "video", options.verbosity) as callback,
        report_progress(callback, lambda: Advance(report.fetched + report.missing, due.old.videos)),
    ):
        left = runner.run(harvester.refresh(refresh, report, max_calls=max_calls, stop=stop))
    show(command_results.refreshed(report, left, older_than, what))
