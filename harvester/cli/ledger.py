"""init, load, verify: the ledger, before and after."""

from __future__ import annotations

import sys

import click

from harvester.cli.console import show
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

    from harvester.cli.progress import progress
    from harvester.report import terminal

    harvester = state.harvester()
    stdin = sys.stdin.buffer if source == "-" else None
    with progress("load", "rows", state.verbosity) as watch:
        loaded = asyncio.run(harvester.load(source, column=column, limit=limit, stdin=stdin, watch=watch))
    show(terminal.loaded(loaded))


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
    responses = sum(day.ok for day in books.days) - books.pruned.responses
    click.echo(
        f"The books balance: {count(books.total, 'id')}, {count(books.calls, 'call')} on "
        f"{count(len(books.days), 'day')}, {count(responses, 'stored response')}."
    )
    if published:
        click.echo(f"{shown(published)} is what its manifest says.")


COMMANDS = [init, load, verify]
