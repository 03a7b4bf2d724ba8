"""ledger copy and ledger backup."""

from __future__ import annotations

from pathlib import Path

import click

from harvester.cli.shared.global_options import GlobalOptions


@click.group(epilog="Example: harvester ledger backup backup.db")
def ledger() -> None:
    """Back the ledger up, or copy it to another database."""


@ledger.command(epilog="Example: harvester ledger copy sqlite:///harvest.db sqlite:///moved.db")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.pass_obj
def copy(options: GlobalOptions, source: str, target: str) -> None:
    """Copy the ledger SRC to DST, and compare the two.

    From a file to a server or back; SRC is only read. Both are URLs as in ledger.url; put a password into PGPASSWORD or
    ~/.pgpass. DST must be new or empty. If interrupted, repeat it: it continues. Stop all runs first: what they do is
    not copied.
    """
    from harvester.cli.shared.progress_line import progress
    from harvester.ledger.copy import copy
    from harvester.support.addresses import is_known, name_of
    from harvester.support.sanitize import count

    options.config()
    if not (is_known(source) and is_known(target)) or source == target:
        raise click.UsageError(
            "SRC and DST must be two addresses: sqlite:///harvest.db, postgresql://user@host/database."
        )
    with progress("copy", "row", options.verbosity) as callback:
        rows = copy(source, target, callback)
    click.echo(f"{name_of(target)} is what {name_of(source)} is: {count(rows, 'row')}.")


@ledger.command(epilog="Example: harvester ledger backup backup.db")
@click.argument("target", metavar="DEST", type=click.Path(path_type=Path))
@click.pass_obj
def backup(options: GlobalOptions, target: Path) -> None:
    """Back the ledger up to the SQLite file DEST.

    May be used during a run. The backup is verified before it appears as DEST; it replaces an earlier backup and
    nothing else. To restore it, stop all runs and put a copy in the ledger's place; to restore it to a server, use
    harvester ledger copy.
    """
    from harvester.cli.shared.progress_line import progress
    from harvester.cli.shared.write_file import explained
    from harvester.ledger.backup import backup
    from harvester.report.wording import size
    from harvester.support.sanitize import count, shown

    harvester = options.harvester()
    harvester.protected().refuse(str(target))
    noun = "row" if harvester.config.ledger.path is None else "page"
    with progress("backup", noun, options.verbosity) as callback, explained(target):
        backed_up = backup(harvester.config.ledger.url, target, callback)
        written = target.stat().st_size
    click.echo(
        f"{shown(str(target))} is a verified backup of {harvester.config.ledger.name}: {count(backed_up.total, 'id')}, "
        f"{count(backed_up.calls, 'call')}, {count(backed_up.responses, 'stored response')}, {size(written)}."
    )
