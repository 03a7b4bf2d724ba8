"""Channels and playlists: each page is read by one call at a time, and its ids are added with the next page's token."""

from __future__ import annotations

from datetime import timedelta

from ledger_kit import NOW, Database

from harvester.ledger.ledger import Ledger
from harvester.ledger.reader import LedgerReader
from harvester.listing import ListingKind, ListingRecord, ListingsAdded, ListingState, Target

CHANNEL = Target(ListingKind.CHANNEL, "@somebody")
BY_ID = Target(ListingKind.CHANNEL, "UCaaaaaaaaaaaaaaaaaaaaaa")
PLAYLIST = Target(ListingKind.PLAYLIST, "PLaaaaaaaaaaaaaaaa")


def listings(database: Database) -> list[ListingRecord]:
    with database.reader() as reader:
        return reader.listings()


async def test_targets_are_added_once_in_order(ledger: Ledger, reader: LedgerReader) -> None:
    assert await ledger.add_listings([CHANNEL, PLAYLIST], NOW) == ListingsAdded(new=2)
    again = await ledger.add_listings([PLAYLIST, BY_ID, BY_ID], NOW + timedelta(days=1))
    assert again == ListingsAdded(new=1, known=1)
    added = reader.listings()
    assert [(each.kind, each.target, each.playlist_id) for each in added] == [
        (*CHANNEL, None),
        (*PLAYLIST, PLAYLIST.text),
        (*BY_ID, None),
    ]
    assert {(each.state, each.pages, each.found, each.new, each.capped) for each in added} == {
        (ListingState.PENDING, 0, 0, 0, False)
    }
    assert [each.added_at for each in added] == [NOW, NOW, NOW + timedelta(days=1)]
    assert reader.findings() == []


def test_a_target_has_an_address() -> None:
    assert [target.address for target in (CHANNEL, BY_ID, PLAYLIST)] == [
        "https://www.youtube.com/@somebody",
        "https://www.youtube.com/channel/UCaaaaaaaaaaaaaaaaaaaaaa",
        "https://www.youtube.com/playlist?list=PLaaaaaaaaaaaaaaaa",
    ]
