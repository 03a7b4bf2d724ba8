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
    from harvester.cli.config_template import write_config
    from harvester.config import find_config
    from harvester.support.sanitize import shown

    path = find_config(state.config_path)
    if path is None or not path.exists():
        click.echo(f"wrote {shown(str(write_config(path)), 4096)}")
    else:
        click.echo(f"kept  {shown(str(path), 4096)}")
    harvester = state.harvester()
    harvester.init()
    where = harvester.config.ledger
    click.echo(f"ready {shown(str(where.path or where.name), 4096)}")


def _delimiter(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """One character that can stand between fields; a tab may be written as \\t."""
    if value is None:
        return None
    value = "\t" if value in (r"\t", "tab") else value
    if len(value) != 1 or not value.isascii() or value.isalnum() or value in '"-_\r\n':
        raise click.BadParameter("it must be one character that no id holds, such as ';' or \\t.")
    return value


@click.command(epilog="Example: harvester load songs.csv --column song")
@click.argument("sources", metavar="[SOURCE]...", nargs=-1, shell_complete=complete_path)
@click.option(
    "--column",
    metavar="NAME|NUMBER",
    help="The column that holds the ids; a number, from 1, in a table without header. [default: source.column]",
)
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="Take the first N distinct ids only.")
@click.option("--delimiter", metavar="C", callback=_delimiter, help="What separates the fields. [default: found out]")
@click.option("--encoding", metavar="E", help="The encoding of text, such as utf-16. [default: UTF-8]")
@click.pass_obj
def load(
    state: State,
    sources: tuple[str, ...],
    column: str | None,
    limit: int | None,
    delimiter: str | None,
    encoding: str | None,
) -> None:
    """Add the new video ids of each SOURCE to the ledger.

    SOURCE is CSV, Parquet, JSON or one id a line, plain, gzip or zstd: a path, s3://, https://, or - for standard
    input. Without it, source.uri of the settings is read. An id may stand in an address of YouTube or in a line of
    yt-dlp's archive. A source with rows and not one id is refused. Spends no unit, and may be repeated. Next:
    harvester plan.
    """
    import asyncio
    import logging

    from harvester.cli.progress import progress
    from harvester.report import terminal

    harvester = state.harvester()
    stdin = sys.stdin.buffer if "-" in sources and sys.stdin is not None else None
    with progress("load", "rows", state.verbosity) as watch:
        loaded = asyncio.run(
            harvester.load(
                *sources,
                column=column,
                delimiter=delimiter,
                encoding=encoding,
                limit=limit,
                stdin=stdin,
                watch=watch,
            )
        )
    show(terminal.loaded(loaded))
    if warning := terminal.load_warning(loaded):
        logging.getLogger(__name__).warning(warning)


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
    from harvester.report.next_steps import changed_parts
    from harvester.support.sanitize import count, shown

    harvester = state.harvester()
    with progress("verify", "videos", state.verbosity) as watch:
        books = harvester.verify(published, watch=watch)
    responses = sum(day.ok for day in books.days) - books.pruned.responses
    proved = (
        f"The books balance: {count(books.total, 'id')}, {count(books.calls, 'call')} on "
        f"{count(len(books.days), 'day')}, {count(responses, 'stored response')}."
    )
    click.echo(fold(proved, sys.stdout))
    if others := harvester.overview(1).other_parts:
        click.echo(fold(changed_parts(others), sys.stdout))
    if published:
        click.echo(fold(f"{shown(published)} is what its manifest says.", sys.stdout))


@click.group(epilog="Example: harvester ledger copy sqlite:///harvest.db sqlite:///moved.db")
def ledger() -> None:
    """The ledger as a whole: take it to another place."""


@ledger.command(epilog="Example: harvester ledger copy sqlite:///harvest.db sqlite:///moved.db")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.pass_obj
def copy(state: State, source: str, target: str) -> None:
    """Copy the ledger SRC to DST, from a file to a server or back, and compare them. SRC is only read.

    Both are addresses as ledger.url has them; a password is better left to PGPASSWORD or ~/.pgpass. DST must be new or
    empty. Cut off and repeated, it goes on. Let no run be at work: what it does meanwhile is not in the copy.
    """
    from harvester.cli.progress import progress
    from harvester.ledger.copy import copy
    from harvester.support.ledger_url import is_known, name_of
    from harvester.support.sanitize import count

    state.config()
    if not (is_known(source) and is_known(target)) or source == target:
        raise click.UsageError(
            "SRC and DST must be two addresses: sqlite:///harvest.db, postgresql://user@host/database."
        )
    with progress("copy", "rows", state.verbosity) as watch:
        rows = copy(source, target, watch)
    click.echo(f"{name_of(target)} is what {name_of(source)} is: {count(rows, 'row')}.")


COMMANDS = [init, load, verify, ledger]
