"""The channels and playlists of a ledger, summed up and one by one. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harvester.listing_types import MAX_ITEMS, PAGE_SIZE, ListingRecord, ListingState
from harvester.support.sanitize import count, shown

_UNFINISHED = (ListingState.PENDING, ListingState.CLAIMED)
_NAME_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Listings:
    """All listings of a ledger, in the order of their numbers."""

    records: Sequence[ListingRecord] = ()

    @property
    def unfinished(self) -> list[ListingRecord]:
        """Those that runs have to read, to their end or from their beginning."""
        return [record for record in self.records if record.state in _UNFINISHED]

    @property
    def failed(self) -> list[ListingRecord]:
        """Those that the API does not list."""
        return [record for record in self.records if record.state is ListingState.FAILED]

    @property
    def capped(self) -> list[ListingRecord]:
        """Those with more items than the API gives."""
        return [record for record in self.records if record.capped]

    @property
    def notable(self) -> list[ListingRecord]:
        """Failed ones, then unfinished ones, then capped ones."""
        finished = [record for record in self.capped if record.state is ListingState.DONE]
        return [*self.failed, *self.unfinished, *finished]

    @property
    def pages_left(self) -> int:
        """The fewest pages that are still to be read."""
        return sum(map(_pages_left, self.unfinished))

    def total(self, figure: str) -> int:
        """Return the sum of `pages`, `found` or `new`."""
        return sum(getattr(record, figure) for record in self.records)

    @property
    def in_words(self) -> str:
        """How many there are, and how far they are."""
        unfinished, failed = len(self.unfinished), len(self.failed)
        parts = [f"{len(self.records) - unfinished - failed:,} read"]
        parts += [f"{unfinished:,} to read"] if unfinished else []
        parts += [f"{failed:,} failed"] if failed else []
        return f"{len(self.records):,}: {', '.join(parts)}"

    @property
    def brought(self) -> str:
        """What their pages brought."""
        left = self.pages_left
        pages = f"{count(self.total('pages'), 'page')}{f', at least {left:,} to come' if left else ''}"
        return f"{pages}; {count(self.total('found'), 'id')} found, {self.total('new'):,} new"


def to_read(listings: Listings) -> str:
    """Say how many are to be read; empty if none is."""
    if not (unfinished := len(listings.unfinished)):
        return ""
    return f"{count(unfinished, 'listing', 'is')} to be read, at least {count(listings.pages_left, 'page')}."


def to_come(listings: Listings) -> str:
    """Say what runs list before they fetch videos; empty if that is nothing."""
    unread = to_read(listings)
    return f"First, {unread.removesuffix('.')}, whose videos are not counted here." if unread else ""


def name_of(record: ListingRecord) -> str:
    """Return the handle of a channel, or else its title and id."""
    title = shown(record.title or "", _NAME_CHARACTERS)
    return record.target if record.target.startswith("@") or not title else f"{title} ({record.target})"


def how_far(record: ListingRecord) -> str:
    """Say how far a listing is, or why it is not."""
    if record.state is ListingState.FAILED:
        return f"failed: {shown(record.reason or '')}"
    ids = f"{count(record.found, 'id')} found"
    if record.state is ListingState.DONE:
        if record.capped:
            total = record.reported_total or 0
            of_all = f"of its {total:,} items" if total > MAX_ITEMS else "items at most"
            return f"read; the API gives {MAX_ITEMS:,} {of_all}"
        return f"read; {ids}"
    if not record.pass_pages:
        return "to be read again" if record.pages else "not read yet"
    return f"{record.pass_pages:,} of {count(record.pass_pages + _pages_left(record), 'page')}, {ids}"


def as_json(listings: Listings) -> dict[str, Any]:
    """Return the listings for `status --json`."""
    return {
        "total": len(listings.records),
        "unfinished": len(listings.unfinished),
        "failed": len(listings.failed),
        "capped": len(listings.capped),
        **{figure: listings.total(figure) for figure in ("pages", "found", "new")},
        "pages_left": listings.pages_left,
    }


def _pages_left(record: ListingRecord) -> int:
    """Return the fewest pages to the end of a pass: that of known uploads may end with its first page."""
    if record.reported_total is None or not record.pass_pages:
        return 1
    return max(1, math.ceil((min(record.reported_total, MAX_ITEMS) - record.pass_items) / PAGE_SIZE))
