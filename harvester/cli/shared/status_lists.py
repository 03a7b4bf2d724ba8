"""The lists of `status`: of failed ids, streamed, of loads and of listings."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from harvester.cli.shared.console import on_terminal, result_columns, show_rows
from harvester.ledger.records import LoadRecord
from harvester.listing_types import ListingRecord
from harvester.model import FailedId
from harvester.report.listings import how_far
from harvester.report.wording import iso_utc, utc
from harvester.support.sanitize import shown

_WIDE = "{:<11}  {:<24}  {:<20}  {}"
_NARROW = "{:<11}  {:<14.14}  {:<20}"
"""Below `_MIN_COLUMNS`, without the attempts."""
_MIN_COLUMNS = 72


def list_failed(ids: Iterable[FailedId], *, as_json: bool) -> None:
    """Print failed ids: columns on a terminal, tab-separated elsewhere, or a JSON object a line."""
    form = None if as_json or not on_terminal() else _NARROW if result_columns() < _MIN_COLUMNS else _WIDE
    out = sys.stdout
    number = 0
    for number, failed in enumerate(ids, 1):
        if number == 1 and form:
            out.write(form.format("id", "reason", "when", "attempts") + "\n")
        out.write((_json(failed) if as_json else _columns(failed, form)) + "\n")
    if form:
        out.write(f"{number:,} failed.\n" if number else "No id has failed.\n")
    out.flush()


def _columns(failed: FailedId, form: str | None) -> str:
    cells = (
        shown(failed.video_id),
        shown(failed.reason, 24 if form else 300),
        iso_utc(failed.failed_at),
        str(failed.attempts),
    )
    return form.format(*cells) if form else "\t".join(cells)


def _json(failed: FailedId) -> str:
    # json.dumps escapes all but ASCII, so nothing affects a terminal.
    record = failed._asdict() | {"failed_at": iso_utc(failed.failed_at)}
    return json.dumps({"id": record.pop("video_id")} | record)


HEADINGS = ("load", "when (UTC)", "rows", "new", "invalid", "removed", "source")


def list_loads(loads: Iterable[LoadRecord]) -> None:
    """Print the loads, by number."""
    empty = "Nothing was loaded yet. Next: harvester load SOURCE"
    show_rows(HEADINGS, map(_cells, loads), ("when (UTC)", "source"), empty)


def _cells(load: LoadRecord) -> tuple[str | int, ...]:
    cut = "" if load.finished_at else " (cut off, or under way)"
    when = utc(load.loaded_at).removesuffix(" UTC")
    return str(load.id), when, load.rows, load.new, load.invalid, load.removed, f"{shown(load.source)}{cut}"


LISTING_HEADINGS = ("listing", "channel or playlist", "title", "pages", "found", "new", "how far")


def list_listings(listings: Iterable[ListingRecord]) -> None:
    """Print the channels and playlists, by number."""
    empty = "No channel and no playlist was named yet. Next: harvester discover @handle"
    show_rows(LISTING_HEADINGS, map(_listing_cells, listings), ("channel or playlist", "title", "how far"), empty)


def _listing_cells(listing: ListingRecord) -> tuple[str | int, ...]:
    names = str(listing.id), shown(listing.target), shown(listing.title or "", 40)
    return *names, listing.pages, listing.found, listing.new, how_far(listing)
