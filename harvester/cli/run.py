"""run: fetch until the day's units are spent or nothing is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harvester.cli.shared.console import show, show_next
from harvester.cli.shared.global_options import GlobalOptions

if TYPE_CHECKING:
    from harvester.app import Harvester
    from harvester.crawl.run_report import RunReport


@click.command(epilog="Example: harvester run --max-calls 10")
@click.option("--max-calls", type=click.IntRange(min=1), help="End after this many calls.")
@click.option("--until-done", is_flag=True, help="Sleep through each quota reset instead of ending.")
@click.option("--dry-run", is_flag=True, help="Show what a run would do; send, spend and change nothing.")
@click.pass_obj
def run(options: GlobalOptions, max_calls: int | None, until_done: bool, dry_run: bool) -> None:
    """Fetch until the day's units are spent or nothing is left.

    The daily job; harvester schedule prints how to start it each day. A call asks for up to 50 ids and spends
    quota.units_per_call units; no day spends more than quota.daily_units. With statistics.every, counts that are older
    than that are then fetched again, from a quota of their own. Next: harvester status.

    SIGINT, SIGTERM and SIGHUP let the calls under way finish; a second signal stops at once. Nothing is lost by that.
    """
    import time
    from datetime import timedelta

    from harvester.cli.shared.crawl_progress import show_run_progress
    from harvester.cli.shared.run_hooks import RunHooks
    from harvester.cli.shared.signals import stopped_by_signals
    from harvester.crawl.run_report import RunReport
    from harvester.report import command_results
    from harvester.support.gc_tuning import tune_gc

    harvester = options.harvester()
    if dry_run:
        show(command_results.dry_run(harvester.dry_run(max_calls)))
        if refresh := harvester.daily_statistics():
            age = timedelta(days=harvester.config.statistics.every_days or 1)
            show(command_results.due(harvester.due(refresh, max_calls), age, command_results.STATISTICS))
        return
    _check_page(harvester)
    warned = _warn(harvester)
    report = RunReport()
    hooks = RunHooks(harvester, report)
    # The root context ends after an error was printed, too.
    click.get_current_context().find_root().call_on_close(hooks.finish)
    hooks.begin()
    tune_gc()
    began = time.monotonic()
    try:
        with (
            stopped_by_signals() as (runner, stop),
            show_run_progress(harvester, report, options.verbosity),
        ):
            progress = runner.run(harvester.run(report, until_done=until_done, max_calls=max_calls, stop=stop))
    except Exception as error:
        hooks.failed(_sentence(error))
        raise
    finally:
        _warn(harvester, warned)
    result = command_results.run(report, progress)
    hooks.succeeded(result.plain)
    show(result)
    show_next(_next(harvester, report), options.verbosity, began)


def _check_page(harvester: Harvester) -> None:
    """Raise DestinationRefused, before a unit is spent, if report.html is a file that harvester did not write.

    Any other problem of that destination is a warning after the run.
    """
    import logging

    from harvester.cli.shared.run_hooks import HOOKS_TIMEOUT_SECONDS, run_within
    from harvester.errors import DestinationRefused, HarvesterError

    uri = harvester.config.report.html
    if uri is None:
        return
    try:
        run_within(HOOKS_TIMEOUT_SECONDS, lambda: harvester.page_destination(uri))
    except DestinationRefused as error:
        error.state = "Nothing was written. report.html of the settings names it; no unit was spent."
        error.next_step = "Name another place there, or write the page once: harvester status --html PLACE --force"
        raise
    except HarvesterError as error:
        logging.getLogger(__name__).debug("the place of report.html can't be looked at: %s", error)


def _next(harvester: Harvester, report: RunReport) -> str:
    from harvester.errors import HarvesterError
    from harvester.report.next_steps import after_run

    try:
        return after_run(report, harvester.overview(1).summary)
    except HarvesterError:
        return ""  # the run has ended well


def _warn(harvester: Harvester, already: frozenset[str] = frozenset()) -> frozenset[str]:
    """Warn of settings that don't fit the ledger. Returns the warnings."""
    import logging

    from harvester.errors import HarvesterError
    from harvester.report.next_steps import changed_parts

    try:
        overview = harvester.overview(1)
    except HarvesterError:
        return frozenset()  # the run itself reports it
    others = changed_parts(overview.other_parts) if overview.other_parts else ""
    warnings = frozenset(filter(None, (others, overview.summary.price_hint)))
    for warning in warnings - already:
        logging.getLogger(__name__).warning("%s", warning)
    return warnings | already


def _sentence(error: Exception) -> str:
    """Return what may be sent to a health check: harvester's own messages; of a bug, only the type."""
    from harvester.cli.shared.logs import safe
    from harvester.cli.shared.unexpected_errors import explain
    from harvester.errors import HarvesterError

    known = error if isinstance(error, HarvesterError) else explain(error)
    return safe(str(known)) if known is not None else f"A bug in harvester: {type(error).__name__}."
