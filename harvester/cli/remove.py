"""remove: delete what a wrong load or discover added."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from harvester.cli.shared.console import can_ask, fold
from harvester.cli.shared.global_options import GlobalOptions

if TYPE_CHECKING:
    from harvester.changes_between_runs import Removable


@click.command(epilog="\b\nExample: harvester remove --invalid --yes\nExample: harvester remove --load 1 --yes")
@click.option("--invalid", is_flag=True, help="Texts that are no video ids.")
@click.option("--pending", is_flag=True, help="Ids that no call has asked for yet.")
@click.option(
    "--load",
    "load_id",
    type=click.IntRange(min=1),
    metavar="N",
    help="The ids that load N added, of both kinds; harvester status --loads lists the loads.",
)
@click.option(
    "--listing",
    "listing_id",
    type=click.IntRange(min=1),
    metavar="N",
    help="Channel or playlist N and the ids that it added; harvester status --listings lists them.",
)
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def remove(
    options: GlobalOptions, invalid: bool, pending: bool, load_id: int | None, listing_id: int | None, yes: bool
) -> None:
    """Take out of the ledger what a wrong load or discover brought.

    Only ids that no call has asked for: what was paid for stays. Says what it would do, and asks for confirmation.
    Spends no unit, and may be used during a run. An id that two loads contain belongs to the first: to restore it, load
    the second again.
    """
    import asyncio
    from datetime import UTC, datetime

    from harvester.changes_between_runs import removable, removable_listing, remove, remove_listing
    from harvester.ledger.records import Removal
    from harvester.model import VideoState

    if (invalid, pending, load_id is not None, listing_id is not None).count(True) != 1:
        raise click.UsageError("Name one of --invalid, --pending, --load N and --listing N.")
    chosen = VideoState.INVALID if invalid else VideoState.PENDING if pending else None
    which = Removal(chosen, load_id)
    config = options.config()
    found = removable(config, which) if listing_id is None else removable_listing(config, listing_id)
    click.echo(fold(_description(found), sys.stdout))
    if not found.total and found.listing is None:
        return
    if not yes:
        if not can_ask():
            raise click.UsageError("Nothing was removed: without a terminal to ask on, add --yes.")
        if not click.confirm("Remove them?"):
            click.echo("Nothing was removed.")
            return
    removed = asyncio.run(
        remove(config, which) if found.listing is None else remove_listing(config, found.listing, datetime.now(UTC))
    )
    click.echo(f"removed  {sum(removed.values()):>9,}")


def _description(found: Removable) -> str:
    """What would be removed, and what of the load would stay."""
    from harvester.support.sanitize import agree, count, shown

    kinds = [f"{count(number, f'{state.label} id')}" for state, number in sorted(found.videos.items())]
    of_load = ""
    if found.load is not None:
        load = found.load
        of_load = f" that load {load.id} brought ({shown(load.source)}, {load.loaded_at:%Y-%m-%d %H:%M} UTC)"
    what = [f"{' and '.join(kinds) or 'No id'}{of_load}"] if kinds or found.listing is None else []
    if found.listing is not None:
        what.insert(0, f"Listing {found.listing.id} ({shown(found.listing.target)})")
    lines = [f"{' and '.join(what)} would be removed."]
    if found.load is not None and (stay := found.load.new - found.load.removed - found.total):
        lines.append(f"{count(stay, 'other id')} of it {agree(stay, 'stays')}: calls have asked for them.")
    return "\n".join(lines)
