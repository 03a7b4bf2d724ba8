"""status: show how far the crawl is, as a screen, JSON, HTML or metrics, and list failed ids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harvester.cli.shared.console import on_terminal, show
from harvester.cli.shared.global_options import GlobalOptions
from harvester.cli.shared.parameters import PLACE

if TYPE_CHECKING:
    from collections.abc import Callable

    from harvester.app import Harvester
    from harvester.report.status_screen import Screen

INTERVAL_SECONDS = 2.0


@click.command(
    epilog="\b\nExample: harvester status --html crawl.html --prometheus crawl.prom\n"
    "Example: harvester status --json\nExample: harvester status --failed"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --failed, one object a line.")
@click.option("--failed", is_flag=True, help="List the failed ids; tab-separated unless on a terminal.")
@click.option("--loads", is_flag=True, help="List the loads by number; tab-separated unless on a terminal.")
@click.option("--listings", is_flag=True, help="List channels and playlists; tab-separated unless on a terminal.")
@click.option("--watch", is_flag=True, help="Refresh the screen until Ctrl-C. Needs a terminal.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1, max=86_400),
    metavar="SECONDS",
    help=f"Seconds between two updates of --watch. [default: {INTERVAL_SECONDS:g}]",
)
@click.option(
    "--prometheus",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write metrics for node_exporter to PATH (*.prom), and print nothing.",
)
@click.option(
    "--html",
    metavar="DEST",
    type=PLACE,
    help="Write the report to DEST, a path or s3://bucket/key, and print nothing.",
)
@click.option("--force", is_flag=True, help="Replace PATH or DEST even if harvester did not write it.")
@click.pass_obj
def status(
    options: GlobalOptions,
    as_json: bool,
    failed: bool,
    loads: bool,
    listings: bool,
    watch: bool,
    interval: float | None,
    prometheus: Path | None,
    html: str | None,
    force: bool,
) -> None:
    """Show how far the crawl is, today's units, and the days left.

    Reads only, and may be used during a run. The last lines say what to do next.
    """
    written = html is not None or prometheus is not None
    if force and not written:
        raise click.UsageError("--force is for --html and --prometheus.")
    if loads and listings:
        raise click.UsageError("--loads and --listings are two lists: name one.")
    lists = "--loads" if loads else "--listings" if listings else ""
    _refuse_contradictions(as_json=as_json, failed=failed, lists=lists, watch=watch, interval=interval, written=written)
    from harvester.cli.shared import status_lists

    harvester = options.harvester()
    if written:
        _write(harvester, prometheus, html, force=force)
    if failed:
        status_lists.list_failed(harvester.failed(), as_json=as_json)
    elif loads:
        status_lists.list_loads(harvester.overview().loads)
    elif listings:
        status_lists.list_listings(harvester.overview().summary.listings.records)
    elif as_json:
        click.echo(_as_json(harvester))
    elif watch:
        import asyncio

        asyncio.run(_watch(lambda: _screen(harvester), INTERVAL_SECONDS if interval is None else interval))
    elif not written:
        show(_screen(harvester))


def _screen(harvester: Harvester) -> Screen:
    """Return the screen, from a new snapshot of the ledger."""
    from harvester.report.status_screen import REASONS, RUNS, Screen

    return Screen(harvester.overview(RUNS, reasons=REASONS), on_terminal(), harvester.config.ledger.name)


async def _watch(look: Callable[[], Screen], interval_seconds: float) -> None:
    """Draw the result of `look` repeatedly, until SIGINT or SIGTERM. The last one stays on the terminal."""
    import asyncio
    import signal
    from contextlib import suppress

    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from harvester.cli.shared.console import plain_console

    console = plain_console()
    if console.is_dumb_terminal:
        raise click.UsageError("--watch needs a terminal that can be redrawn; TERM says that this one can't.")
    how = Text(f"every {interval_seconds:g} s, Ctrl-C ends", style="dim")
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    seen = look()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(Group(seen, how), refresh=True)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), interval_seconds)
            if stopped.is_set():
                break
            seen = look()
    show(seen)


def _as_json(harvester: Harvester) -> str:
    import json

    from harvester.report import summary
    from harvester.report.wording import record_as_json

    overview = harvester.overview()
    result = summary.as_json(overview.summary) | {
        "name": harvester.config.crawl_name,
        "ledger": harvester.config.ledger.name,
        "statistics": record_as_json(overview.history),
        "loads": [record_as_json(load) for load in overview.loads],
    }
    result["listings"]["each"] = [record_as_json(each) for each in overview.summary.listings.records]
    result["quota"]["clock_hint"] = overview.clock_hint or None
    return json.dumps(result, indent=2)


def _refuse_contradictions(
    *, as_json: bool, failed: bool, lists: str, watch: bool, interval: float | None, written: bool
) -> None:
    if lists and (as_json or failed or watch or written):
        raise click.UsageError(f"{lists} goes with no other option: status --json lists them too.")
    if interval is not None and not watch:
        raise click.UsageError("--interval is for --watch.")
    if watch and (as_json or failed or written):
        raise click.UsageError("--watch goes with no other option than --interval.")
    if failed and written:
        raise click.UsageError("--failed goes with no other option than --json.")
    if watch and not on_terminal():
        raise click.UsageError("--watch needs a terminal. A program asks again by itself: harvester status --json")


def _write(harvester: Harvester, prometheus: Path | None, html: str | None, *, force: bool) -> None:
    if html is not None:
        harvester.publish_page(html, force=force)
    if prometheus is not None:
        from harvester.cli.shared.write_file import write_whole
        from harvester.report.prometheus import MARK, render

        metrics = render(harvester.overview())
        write_whole(prometheus, metrics, mark=MARK, protected=harvester.protected(), force=force)
