"""init, load, verify: the ledger, before and after."""

from __future__ import annotations

import sys

import click

from harvester.cli.console import complete_path, fold, show
from harvester.cli.state import State


@click.command(epilog="Example: harvester init")
@click.pass_obj
def init(state: State) -> None:
    """Write config.toml, and create or upgrade the ledger.

    A config.toml that is there is kept, and so is all that the ledger holds: safe to repeat. Next: set source.uri in
    it, then harvester load.
    """
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
@click.argument("source", required=False, shell_complete=complete_path)
@click.option("--column", help="The column that holds the ids. [default: source.column]")
@click.option("--limit", type=click.IntRange(min=1), help="Take the first N distinct ids only.")
@click.pass_obj
def load(state: State, source: str | None, column: str | None, limit: int | None) -> None:
    """Add the new video ids of SOURCE to the ledger.

    SOURCE is CSV, Parquet or one id a line, plain, gzip or zstd: a path, s3://, https://, or - for standard input.
    Without it, source.uri of the settings is read. Spends no unit, and may be repeated. Next: harvester plan.
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
@click.option(
    "--export", "published", metavar="DEST", shell_complete=complete_path, help="Prove this published file too."
)
@click.pass_obj
def verify(state: State, published: str | None) -> None:
    """Prove that ids, calls, units and stored responses agree.

    Reads only, and spends no unit. Exit code 5 if they don't agree: then let no run begin, and keep the ledger as it
    is.
    """
    from harvester.cli.progress import progress
    from harvester.text import count, shown

    harvester = state.harvester()
    with progress("verify", "videos", state.verbosity) as watch:
        books = harvester.verify(published, watch=watch)
    responses = sum(day.ok for day in books.days) - books.pruned.responses
    proved = (
        f"The books balance: {count(books.total, 'id')}, {count(books.calls, 'call')} on "
        f"{count(len(books.days), 'day')}, {count(responses, 'stored response')}."
    )
    click.echo(fold(proved, sys.stdout))
    if published:
        click.echo(fold(f"{shown(published)} is what its manifest says.", sys.stdout))


COMMANDS = [init, load, verify]
