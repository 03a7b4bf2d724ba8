"""ledger copy: take the ledger to another file or server."""

from __future__ import annotations

import click

from harvester.cli.shared.state import State


@click.group(epilog="Example: harvester ledger copy sqlite:///harvest.db sqlite:///moved.db")
def ledger() -> None:
    """Copy the ledger to another database."""


@ledger.command(epilog="Example: harvester ledger copy sqlite:///harvest.db sqlite:///moved.db")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.pass_obj
def copy(state: State, source: str, target: str) -> None:
    """Copy the ledger SRC to DST, and compare the two.

    From a file to a server or back; SRC is only read. Both are addresses as ledger.url has them; a password is better
    left to PGPASSWORD or ~/.pgpass. DST must be new or empty. If interrupted, repeat it: it continues. Stop all runs
    first: what they do is not copied.
    """
    from harvester.cli.shared.progress import progress
    from harvester.ledger.copy import copy
    from harvester.support.ledger_url import is_known, name_of
    from harvester.support.sanitize import count

    state.config()
    if not (is_known(source) and is_known(target)) or source == target:
        raise click.UsageError(
            "SRC and DST must be two addresses: sqlite:///harvest.db, postgresql://user@host/database."
        )
    with progress("copy", "rows", state.verbosity) as callback:
        rows = copy(source, target, callback)
    click.echo(f"{name_of(target)} is what {name_of(source)} is: {count(rows, 'row')}.")
