"""init: write config.toml and create the ledger."""

from __future__ import annotations

import click

from harvester.cli.shared.console import show_next
from harvester.cli.shared.global_options import GlobalOptions


@click.command(epilog="Example: harvester init")
@click.pass_obj
def init(options: GlobalOptions) -> None:
    """Write config.toml, and create or upgrade the ledger.

    An existing config.toml is kept, and everything in the ledger: safe to repeat. Next: set source.uri in it, then
    harvester load.
    """
    from harvester.cli.shared.config_template import write_config
    from harvester.config import find_config
    from harvester.report.next_steps import next_step
    from harvester.support.sanitize import shown

    path = find_config(options.config_path)
    if path is None or not path.exists():
        click.echo(f"wrote {shown(str(write_config(path)), 4096)}")
    else:
        click.echo(f"kept  {shown(str(path), 4096)}")
    harvester = options.harvester()
    harvester.init()
    where = harvester.config.ledger
    click.echo(f"ready {shown(str(where.path or where.name), 4096)}")
    show_next(next_step(harvester.overview(1).summary), options.verbosity)
