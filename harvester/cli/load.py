"""load: read the ids of sources into the ledger."""

from __future__ import annotations

import sys
from typing import Any

import click

from harvester.cli.shared.console import show, show_next
from harvester.cli.shared.global_options import GlobalOptions
from harvester.cli.shared.parameters import PLACE


def _delimiter(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """One character that can stand between fields; a tab may be written as \\t."""
    if value is None:
        return None
    value = "\t" if value in (r"\t", "tab") else value
    if len(value) != 1 or not value.isascii() or value.isalnum() or value in '"-_\r\n':
        raise click.BadParameter("it must be one character that no id holds, such as ';' or \\t.")
    return value


@click.command(epilog="Example: harvester load songs.csv --column song")
@click.argument("sources", metavar="[SOURCE]...", nargs=-1, type=PLACE)
@click.option(
    "--column",
    metavar="NAME|NUMBER",
    help="The column that holds the ids; a number, from 1, in a table without header. [default: source.column]",
)
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="Take the first N distinct ids only.")
@click.option("--delimiter", metavar="C", callback=_delimiter, help="What separates the fields. [default: detected]")
@click.option("--encoding", metavar="E", help="The encoding of text, such as utf-16. [default: UTF-8]")
@click.pass_obj
def load(options: GlobalOptions, /, sources: tuple[str, ...], **how: Any) -> None:
    """Add the new video ids of each SOURCE to the ledger.

    SOURCE is CSV, Parquet, JSON or one id a line, plain, gzip or zstd: a path, s3://, https://, or - for standard
    input. Without it, source.uri of the settings is read. An id may be part of a YouTube address or of a line of
    yt-dlp's archive. A source with rows and not one id is refused. Spends no unit, and may be repeated. Next:
    harvester plan.
    """
    import asyncio
    import logging
    import time

    from harvester.cli.shared.progress_line import progress
    from harvester.report import command_results
    from harvester.report.next_steps import next_step

    harvester = options.harvester()
    stdin = sys.stdin.buffer if "-" in sources and sys.stdin is not None else None
    began = time.monotonic()
    with progress("load", "row", options.verbosity) as callback:
        loaded = asyncio.run(harvester.load(*sources, **how, stdin=stdin, progress=callback))
    show(*command_results.loaded(loaded))
    if warning := command_results.load_warning(loaded):
        logging.getLogger(__name__).warning(warning)
    summary = harvester.overview(1).summary
    step = "" if warning else "Next: harvester plan" if summary.unsettled else next_step(summary)
    show_next(step, options.verbosity, began)
