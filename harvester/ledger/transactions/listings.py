"""The transactions of listings: add them, claim a call for one, and settle what it brought."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from harvester.ledger.transactions.transaction import Transaction
from harvester.ledger.transactions.transitions import instant
from harvester.listing import ListingKind, ListingsAdded, Target


def add(tx: Transaction, targets: Sequence[Target], again: bool, now: datetime) -> ListingsAdded:
    """Add listings, or make finished ones pending again: see `Ledger.add_listings`."""
    tx.lock("adding")
    texts = [target.text for target in targets]
    again_count = tx.change(tx.sql.READ_AGAIN, targets=texts or None, again=again) if texts or again else 0
    new = 0
    for kind, text in targets:
        playlist_id = text if kind is ListingKind.PLAYLIST else None
        new += tx.change(tx.sql.ADD_LISTING, kind=kind.value, target=text, playlist_id=playlist_id, now=instant(now))
    return ListingsAdded(new, len(set(texts)) - new - again_count if texts else 0, again_count)
