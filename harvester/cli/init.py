"""init: write config.toml and create the ledger."""

from __future__ import annotations

from pathlib import Path

import click

from harvester.cli.shared.console import show_next
from harvester.cli.shared.global_options import GlobalOptions

TEMPLATE = Path(__file__).with_name("config.toml")
"""Every setting with its default, explained."""


@click.command(epilog="Example: harvester init")
@click.pass_obj
def init(options: GlobalOptions) -> None:
    """Write config.toml, and create or upgrade the ledger.

    An existing config.toml is kept, and everything in the ledger: safe to repeat. Next: set source.uri in it, then
    harvester load.
    """
    from harvester.config import find_config
    from harvester.report.next_steps import next_step
    from harvester.support.sanitize import shown

    path = find_config(options.config_path) or Path("config.toml")
    did = "kept " if path.exists() else "wrote"
    if did == "wrote":
        _write_config(path)
    click.echo(f"{did} {shown(str(path), 4096)}")
    harvester = options.harvester()
    harvester.init()
    where = harvester.config.ledger
    click.echo(f"ready {shown(str(where.path or where.name), 4096)}")
    show_next(next_step(harvester.overview(1).summary), options.verbosity)


def _write_config(path: Path) -> None:
    from harvester.errors import DISK_FULL, ConfigError, OutsideError
    from harvester.support.sanitize import shown

    template = TEMPLATE.read_bytes()
    try:
        with path.open("xb") as file:
            file.write(template)
    except OSError as error:
        what = f"{shown(str(path))} cannot be written: {error.strerror}."
        if error.errno not in DISK_FULL:
            raise ConfigError(what) from None
        # The next init would keep half a file.
        path.unlink(missing_ok=True)
        raise OutsideError(what, next_step="Make room on the disk, then run harvester init again.") from None
