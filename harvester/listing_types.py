"""The types and limits of listings: channels and playlists. What a page adds: ledger/transactions/listings.py. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

PAGE_SIZE = 50
"""Most items of a page of playlistItems.list."""
MAX_ITEMS = 20_000
"""Most items of a playlist that the API gives, however many the playlist has."""
MAX_PASS_PAGES = 1_000
"""Most pages of a pass: 400 full ones are MAX_ITEMS. With more, the tokens lead in a circle."""
MAX_RESTARTS = 3
"""How often a pass begins again, or goes back by a page: a token is no longer known, or the playlist is shorter."""
REMOVED = "removed"
"""The reason of a failed listing that a person removed. Such listings are not shown."""
INVALID_PAGE_TOKEN = "invalidPageToken"  # noqa: S105 (no password)
"""The API's word for a token that it does not know, or no longer."""


class ListingKind(enum.StrEnum):
    """What was asked for. Of a channel, its uploads are a playlist, which channels.list names."""

    CHANNEL = "channel"
    PLAYLIST = "playlist"


class ListingState(enum.StrEnum):
    """The state of a listing: `claimed` while a call for it is under way."""

    PENDING = "pending"
    CLAIMED = "claimed"
    DONE = "done"
    FAILED = "failed"


class Target(NamedTuple):
    """What a listing is of, in the one form that the ledger stores."""

    kind: ListingKind
    text: str
    """A channel's handle (`@name`, in lower case) or id (`UC…`); a playlist's id (`PL…`, `UU…` and others)."""

    @property
    def address(self) -> str:
        """The address of its page."""
        if self.kind is ListingKind.PLAYLIST:
            return f"https://www.youtube.com/playlist?list={self.text}"
        return f"https://www.youtube.com/{self.text if self.text.startswith('@') else f'channel/{self.text}'}"

    @property
    def is_newest_first(self) -> bool:
        """Whether it is a channel's uploads, which are given newest first. Other playlists have any order."""
        return self.kind is ListingKind.CHANNEL or self.text.startswith("UU")


class ListingCall(NamedTuple):
    """What a call for a listing asks for."""

    listing_id: int
    page_token: str | None = None
    """The API's token of the page; None for the first page, and for a channel."""


class Channel(NamedTuple):
    """A channel, as channels.list describes it."""

    channel_id: str
    title: str
    uploads_id: str
    """The playlist of its uploads; empty if it has none."""
    resource: str
    """The whole resource, as sent: JSON."""


class Page(NamedTuple):
    """A page of playlistItems.list."""

    ids: tuple[str, ...]
    """The ids of its videos, in order; an id may come twice."""
    items: int
    """Its items, those included that name no video."""
    next_token: str | None
    """None on the last page."""
    total: int | None
    """How many items the playlist has, as the API says."""
    previous_token: str | None = None
    """None on the first page."""


class ListingsAdded(NamedTuple):
    """What `Ledger.add_listings` did with its targets."""

    new: int = 0
    known: int = 0
    """Listings that stay as they were."""
    again: int = 0
    """Listings that will be read again: finished ones if asked for, and failed ones."""


@dataclass(frozen=True, slots=True)
class ListingRecord:
    """A listing in the ledger."""

    id: int
    kind: ListingKind
    target: str
    """As in `Target.text`."""
    state: ListingState
    channel_id: str | None
    playlist_id: str | None
    """The playlist to read; None until channels.list has named it."""
    title: str | None
    """The channel's."""
    pages: int
    """Pages read, over all passes."""
    pass_pages: int
    """Pages of the current pass, or of the last; `pass_items` likewise."""
    pass_items: int
    reported_total: int | None
    """Items of the playlist, as the API last said."""
    capped: bool
    """Whether the playlist has more items than the API gives."""
    reason: str | None
    """Why it failed, in the API's word."""
    added_at: datetime
    finished_at: datetime | None
    load_id: int | None
    """The load of its ids; None before its first page."""
    found: int = 0
    """Ids seen, over all passes; an id that was seen twice is counted twice."""
    new: int = 0
    """Ids that it added to the ledger."""
