"""export: what was harvested, for the people downstream."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from harvester.cli.console import show
from harvester.cli.state import State


@click.command(epilog="Example: harvester export s3://bucket/songs.json --compression gzip")
@click.argument("dest", required=False)
@click.option("--format", "format_", type=click.Choice(["json"]), help="[default: export.format]")
@click.option("--compression", type=click.Choice(["none", "gzip"]), help="[default: export.compression]")
@click.option("--require-complete", is_flag=True, help="Publish nothing, with exit code 5, while ids are left.")
@click.pass_obj
def export(
    state: State, dest: str | None, format_: str | None, compression: str | None, require_complete: bool
) -> None:
    """Assemble the stored responses, in load order, and publish them to DEST, then its manifest.

    DEST is a local path or s3://bucket/key; without it, export.uri of the settings.
    """
    from harvester.report import terminal

    # Told to stop, it tidies up: an upload that was begun is taken back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    uri = dest if dest is None or "://" in dest else str(Path(dest).absolute())
    harvester = state.harvester(export={"uri": uri, "format": format_, "compression": compression})
    manifest = harvester.export(require_complete=require_complete)
    show(terminal.exported(manifest, harvester.config.export.uri))


COMMANDS = [export]
