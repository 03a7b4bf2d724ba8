"""discover: add channels and playlists, whose videos the next runs find."""

from __future__ import annotations

import sys

import click

from harvester.cli.shared.console import show_next
from harvester.cli.shared.global_options import GlobalOptions
from harvester.cli.shared.parameters import PLACE


@click.command(
    epilog="\b\nExample: harvester discover @YouTube PLMC9KNkIncKtPzgY-5rmhvj7fax8fdxoj\n"
    "Example: harvester discover --again"
)
@click.argument("targets", metavar="[CHANNEL|PLAYLIST]...", nargs=-1)
@click.option(
    "--from",
    "files",
    metavar="FILE",
    multiple=True,
    type=PLACE,
    help="Read them from FILE, one a line, or the first column of a CSV; - for standard input. May be repeated.",
)
@click.option("--again", is_flag=True, help="Look for new videos in those named, or in all, that were read before.")
@click.pass_obj
def discover(options: GlobalOptions, targets: tuple[str, ...], files: tuple[str, ...], again: bool) -> None:
    """Add channels and playlists, whose videos the next runs find.

    A channel is its @handle, its id (UC...) or its address; a playlist its id (PL..., UU... and others) or its address.
    Nothing is sent now: harvester run lists them page by page, 50 videos a page, before it fetches videos, and adds the
    new ids to the ledger. Uploads are read again (--again) from the newest on, until a page holds known videos only;
    other playlists whole. The API gives at most 20,000 items of a playlist. If one of those named is no channel
    and no playlist, nothing is stored. See how far they are: harvester status --listings.
    """
    import asyncio

    from harvester.sources.listing_file import read_targets

    if not (targets or files or again):
        raise click.UsageError("Name a channel or a playlist, a file of them (--from FILE), or add --again.")
    harvester = options.harvester()
    stdin = sys.stdin.buffer if "-" in files and sys.stdin is not None else None
    anonymous = harvester.config.source.anonymous
    named = read_targets(targets, files, anonymous=anonymous, stdin=stdin) if targets or files else []
    added = asyncio.run(harvester.discover(named, again=again))
    for label, number in (("new", added.new), ("known", added.known), ("read again", added.again)):
        click.echo(f"{label:10}  {number:>9,}")
    waiting = added.new or added.again
    hint = "" if again or not added.known else "To look for new videos in known ones: harvester discover --again. "
    show_next(f"{hint}{'Next: harvester run' if waiting else ''}".strip(), options.verbosity)
