"""init, load, status, verify: the ledger, before and after."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harvester.cli.console import on_terminal, show
from harvester.cli.state import State


@click.command(epilog="Example: harvester init")
@click.pass_obj
def init(state: State) -> None:
    """Write a config.toml where there is none, and create or upgrade the ledger. Safe to repeat."""
    from harvester.cli.template import write_config
    from harvester.config import find_config

    path = find_config(state.config_path)
    if path is None or not path.exists():
        click.echo(f"wrote {write_config(path)}")
    else:
        click.echo(f"kept  {path}")
    harvester = state.harvester()
    harvester.init()
    click.echo(f"ready {harvester.config.ledger.path}")


@click.command(epilog="Example: harvester load songs.csv --column song")
@click.argument("source", required=False)
@click.option("--column", help="The column that holds the ids. [default: source.column]")
@click.option("--limit", type=click.IntRange(min=1), help="Take the first N distinct ids only.")
@click.pass_obj
def load(state: State, source: str | None, column: str | None, limit: int | None) -> None:
    """Read video ids from SOURCE into the ledger; the new ones are added.

    SOURCE is CSV, Parquet or one id a line, plain, gzip or zstd: a path, s3://, https://, or - for standard input.
    Without it, source.uri of the settings is read.
    """
    import asyncio

    from harvester.report import terminal

    stdin = sys.stdin.buffer if source == "-" else None
    loaded = asyncio.run(state.harvester().load(source, column=column, limit=limit, stdin=stdin))
    show(terminal.loaded(loaded))


@click.command(epilog="Example: harvester status --json")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--prometheus",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write metrics for node_exporter to PATH (*.prom), and print nothing.",
)
@click.option("--html", metavar="DEST", help="Write a page to DEST, a path or s3://bucket/key, and print nothing.")
@click.pass_obj
def status(state: State, as_json: bool, prometheus: Path | None, html: str | None) -> None:
    """Show how far the crawl is, today's units, and the days left. Reads only."""
    if html is not None:
        state.harvester().publish_page(html)
        if prometheus is None and not as_json:
            return
    if prometheus is not None:
        from harvester.cli.writing import write_whole
        from harvester.report.prometheus import render

        write_whole(prometheus, render(state.harvester().overview()))
        if not as_json:
            return
    if as_json:
        import json

        from harvester.report import summary

        click.echo(json.dumps(summary.as_json(state.harvester().overview().summary), indent=2))
    else:
        from harvester.report import terminal

        overview = state.harvester().overview()
        show(terminal.status(overview.summary, overview.runs, bar=on_terminal()))


@click.command(epilog="Example: harvester verify --export songs.json")
@click.option("--export", "published", metavar="DEST", help="Prove this published file too.")
@click.pass_obj
def verify(state: State, published: str | None) -> None:
    """Prove the books: ids, states, calls, units and stored responses agree. Reads only; exit code 5 if they don't."""
    from harvester.cli.progress import progress
    from harvester.report.terminal import count
    from harvester.text import shown

    harvester = state.harvester()
    with progress("verify", "videos", state.verbosity) as watch:
        books = harvester.verify(published, watch=watch)
    responses = sum(day.ok for day in books.days)
    click.echo(
        f"The books balance: {count(books.total, 'id')}, {count(books.calls, 'call')} on "
        f"{count(len(books.days), 'day')}, {count(responses, 'stored response')}."
    )
    if published:
        click.echo(f"{shown(published)} is what its manifest says.")


COMMANDS = [init, load, status, verify]
