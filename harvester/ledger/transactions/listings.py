"""The transactions of listings: add them, claim a call for one, and settle what it brought.

All take the lock of those that add ids first, so that locks are taken in one order.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from harvester.ledger.transactions import loads
from harvester.ledger.transactions.claim import first_batch, open_calls
from harvester.ledger.transactions.reserve_units import reserve
from harvester.ledger.transactions.settle import Settlement, close_good
from harvester.ledger.transactions.transaction import Transaction, instant
from harvester.listing_types import (
    INVALID_PAGE_TOKEN,
    MAX_ITEMS,
    MAX_PASS_PAGES,
    MAX_RESTARTS,
    PAGE_SIZE,
    REMOVED,
    Channel,
    ListingCall,
    ListingKind,
    ListingsAdded,
    ListingState,
    Page,
    Target,
)
from harvester.model import Batch, BatchKind, Budget, Denied

NO_POSITIONS = (0,)
"""The positions of a call for a listing, which asks for none."""


def add(tx: Transaction, targets: Sequence[Target], now: datetime, *, again: bool = False) -> ListingsAdded:
    """Add channels and playlists whose videos the next runs find. Those of them that failed are pending again.

    `again`: read those of the targets that are done again, or without targets all that are done. Uploads are read
    from the newest page until one whose ids were all known before, other playlists whole.
    """
    tx.lock("adding")
    texts = [target.text for target in targets]
    again_count = tx.change(tx.sql.READ_AGAIN, targets=texts, all=not texts, again=again) if texts or again else 0
    new = 0
    for kind, text in targets:
        playlist_id = text if kind is ListingKind.PLAYLIST else None
        new += tx.change(tx.sql.ADD_LISTING, kind=kind.value, target=text, playlist_id=playlist_id, now=instant(now))
    return ListingsAdded(new, len(set(texts)) - new - again_count if texts else 0, again_count)


def remove(tx: Transaction, listing_id: int, now: datetime) -> bool:
    """Mark a listing as failed, because it was removed: no run reads it further. Its ids stay.

    Returns False, and changes nothing, while a call for it is under way.
    """
    tx.lock("adding")
    return bool(tx.change(tx.sql.REMOVE_LISTING, listing_id=listing_id, reason=REMOVED, now=instant(now)))


def forget_channels(tx: Transaction, before: datetime) -> None:
    """Delete what channels.list said of channels before `before`; reading one again stores it anew."""
    tx.lock("adding")
    tx.later(tx.sql.FORGET_CHANNELS, before=instant(before))


def claim(
    tx: Transaction, run_id: int, budget: Budget, now: datetime, *, channels: bool, given_up: Collection[int] = ()
) -> Batch | Denied:
    """Reserve the units of one call for a listing: for a channel whose uploads are unknown, or for a page.

    `given_up`: the ids of listings to leave out. `budget` is of the endpoint that this needs. Returns the batch, of
    kind LISTING, or why there is none.
    """
    tx.lock("adding")
    found = tx.row(tx.sql.PICK_LISTING, channels=channels, given_up=list(given_up))
    if found is None:
        return Denied.NOTHING_PENDING
    listing_id, asked, page_token = found
    paid, refusal = reserve(tx, budget, 1)
    if not paid:
        return refusal
    (call_id,) = open_calls(tx, run_id, budget, [(NO_POSITIONS, 1, now)], listing_id=listing_id)
    tx.later(tx.sql.MOVE_LISTING, listing_id=listing_id, state=ListingState.CLAIMED.value)
    listing = ListingCall(listing_id, page_token)
    return first_batch(budget, call_id, NO_POSITIONS, (asked,), kind=BatchKind.LISTING, listing=listing)


@dataclass(frozen=True, slots=True)
class _Listing:
    """How far a listing has been read, as LISTING gives it and SETTLE_LISTING stores it."""

    kind: str
    target: str
    pages: int
    pass_pages: int
    pass_items: int
    restarts: int
    reported_total: int | None
    capped: int
    known_up_to: int | None
    load_id: int | None
    state: str = ListingState.PENDING.value
    next_page_token: str | None = None
    reason: str | None = None
    finished_at: str | None = None

    def ended(self, state: ListingState, now: datetime, reason: str | None = None) -> _Listing:
        return replace(self, state=state.value, finished_at=instant(now), reason=reason, next_page_token=None)

    def begun_again(self) -> _Listing:
        return replace(self, restarts=self.restarts + 1, pass_pages=0, pass_items=0)


def settle(tx: Transaction, settlements: Sequence[Settlement]) -> list[bool]:
    """Settle each of them: see `Ledger.settle`."""
    return [_settle(tx, one) for one in settlements]


def _settle(tx: Transaction, one: Settlement) -> bool:
    tx.lock("adding")
    if not close_good(tx, [one]):
        return False
    batch, outcome, now = one.batch, one.outcome, one.now
    assert batch.listing is not None, "it was claimed here"
    tx.count_day(batch.bucket, batch.quota_day, ok=1, listed=1)
    listing_id, page_token = batch.listing
    listing = _Listing(*(tx.row(tx.sql.LISTING, listing_id=listing_id) or ()))
    match outcome.listed:
        case Channel() as channel:
            listing = _with_channel(tx, listing_id, listing, channel, now)
        case Page() as page:
            listing = _with_page(tx, listing, page, page_token, now)
        case None if outcome.reason == INVALID_PAGE_TOKEN and listing.restarts < MAX_RESTARTS:
            listing = listing.begun_again()
        case None:
            listing = listing.ended(ListingState.FAILED, now, outcome.reason)
    tx.later(tx.sql.SETTLE_LISTING, listing_id=listing_id, **asdict(listing))
    return True


def _with_channel(tx: Transaction, listing_id: int, listing: _Listing, channel: Channel, now: datetime) -> _Listing:
    if not channel.uploads_id:
        return listing.ended(ListingState.FAILED, now, "noUploads")
    tx.later(tx.sql.NOTE_CHANNEL, listing_id=listing_id, now=instant(now), **channel._asdict())
    if tx.row(tx.sql.SAME_PLAYLIST, listing_id=listing_id, playlist_id=channel.uploads_id) is not None:
        return listing.ended(ListingState.DONE, now)
    return listing


def _with_page(tx: Transaction, listing: _Listing, page: Page, page_token: str | None, now: datetime) -> _Listing:
    """Add the ids of a page. The listing is done at the last page, or where all ids of a page were known before."""
    target = Target(ListingKind(listing.kind), listing.target)
    load_id = listing.load_id or loads.open_load(tx, target.address, now)
    ids = list(dict.fromkeys(page.ids))
    known_up_to = listing.known_up_to
    addition = loads.add(tx, ids, (), known_up_to or 0, load_id, len(page.ids))
    read = replace(
        listing,
        load_id=load_id,
        pages=listing.pages + 1,
        pass_pages=listing.pass_pages + 1,
        pass_items=listing.pass_items + page.items,
        reported_total=listing.reported_total if page.total is None else page.total,
    )
    all_known = known_up_to is not None and ids and len(addition.known) == len(ids)
    next_token = page.next_token
    if _has_shrunk(listing, page) and page.previous_token:
        # What was taken out of the pages before has moved items from this page onto the one before.
        next_token = page.previous_token
        read = replace(read, restarts=read.restarts + 1)
    if next_token is None or all_known:
        loads.close_load(tx, load_id, now)
        read_whole = page.next_token is None and read.pass_pages * PAGE_SIZE >= MAX_ITEMS
        return replace(
            read.ended(ListingState.DONE, now),
            capped=int(bool(read.capped) or read_whole),
            known_up_to=loads.last_position(tx) if target.is_newest_first else None,
        )
    if next_token == page_token or read.pass_pages >= MAX_PASS_PAGES:
        return read.ended(ListingState.FAILED, now, "endlessPages")
    return replace(read, next_page_token=next_token)


def _has_shrunk(listing: _Listing, page: Page) -> bool:
    """Whether the playlist has lost items since the page before. One restart is kept back for a token that the API no
    longer knows, because totals may go up and down at every page."""
    if listing.pass_pages == 0 or listing.reported_total is None or page.total is None:
        return False
    if listing.restarts >= MAX_RESTARTS - 1:
        return False
    return page.total < listing.reported_total
