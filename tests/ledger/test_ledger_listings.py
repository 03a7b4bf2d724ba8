"""Channels and playlists: each page is read by one call at a time, and its ids are added with the next page's token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from ledger_kit import (
    DAY,
    LEASE,
    NOW,
    Database,
    MakeLedger,
    a_batch,
    a_budget,
    a_fault,
    a_process,
    a_run,
    counts,
    video_ids,
)
from ledger_kit import good as good_videos

from harvester.ledger.ledger import Ledger
from harvester.ledger.reader import LedgerReader
from harvester.ledger.records import Removal
from harvester.listing_types import (
    INVALID_PAGE_TOKEN,
    MAX_ITEMS,
    MAX_PASS_PAGES,
    MAX_RESTARTS,
    REMOVED,
    Channel,
    ListingKind,
    ListingRecord,
    ListingsAdded,
    ListingState,
    Page,
    Target,
)
from harvester.model import (
    Batch,
    BatchKind,
    Budget,
    Denied,
    GiveBack,
    Outcome,
    ProcessIdentity,
    Span,
    Verdict,
    VideoState,
)
from harvester.youtube.endpoints import CHANNELS_LIST, PLAYLIST_ITEMS_LIST

CHANNEL = Target(ListingKind.CHANNEL, "@somebody")
BY_ID = Target(ListingKind.CHANNEL, "UCaaaaaaaaaaaaaaaaaaaaaa")
PLAYLIST = Target(ListingKind.PLAYLIST, "PLaaaaaaaaaaaaaaaa")
UPLOADS = Target(ListingKind.PLAYLIST, "UUaaaaaaaaaaaaaaaaaaaaaa")
IDS = video_ids(200)
FOUND = Channel(BY_ID.text, "Somebody", UPLOADS.text, '{"id": "UCaaaaaaaaaaaaaaaaaaaaaa"}')


def budget(limit: int = 10_000, channels: bool = False) -> Budget:
    endpoint = CHANNELS_LIST if channels else PLAYLIST_ITEMS_LIST
    return Budget(DAY, limit, 1, endpoint.parts, endpoint.name)


def listings(database: Database) -> list[ListingRecord]:
    with database.reader() as reader:
        assert reader.findings() == []
        return reader.listings()


def listed(what: Channel | Page | None = None, reason: str = "ok", status: int = 200) -> Outcome:
    return Outcome(Verdict.GOOD, reason, status, listed=what)


def page(ids: Sequence[str], then: str | None = None, total: int | None = None, items: int | None = None) -> Outcome:
    return listed(Page(tuple(ids), len(ids) if items is None else items, then, total))


async def claimed(ledger: Ledger, run: int, channels: bool = False) -> Batch:
    batch = await ledger.claim_listing(run, budget(channels=channels), NOW, channels=channels)
    assert isinstance(batch, Batch)
    return batch


async def read(ledger: Ledger, run: int, *answers: Outcome) -> list[str | None]:
    """Claim a page for each answer, and settle it. Returns the tokens that were asked for."""
    tokens = []
    for answer in answers:
        batch = await claimed(ledger, run)
        assert batch.listing is not None
        tokens.append(batch.listing.page_token)
        assert await ledger.settle(batch, answer, NOW)
    return tokens


async def test_targets_are_added_once_in_order(ledger: Ledger, reader: LedgerReader) -> None:
    assert not await ledger.has_listings()
    assert await ledger.add_listings([CHANNEL, PLAYLIST], NOW) == ListingsAdded(new=2)
    again = await ledger.add_listings([PLAYLIST, BY_ID, BY_ID], NOW + timedelta(days=1))
    assert again == ListingsAdded(new=1, known=1)
    assert await ledger.has_listings()
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


async def test_a_channel_is_looked_up_then_its_uploads_are_read_page_by_page(
    ledger: Ledger, run: int, database: Database, reader: LedgerReader
) -> None:
    await ledger.add(IDS[:1], [], 0)
    await ledger.add_listings([CHANNEL], NOW)
    assert await ledger.claim_listing(run, budget(), NOW, channels=False) is Denied.NOTHING_PENDING
    batch = await claimed(ledger, run, channels=True)
    assert (batch.kind, batch.ids, batch.units, batch.bucket) == (BatchKind.LISTING, (CHANNEL.text,), 1, "default")
    assert await ledger.settle(batch, listed(FOUND), NOW)
    assert await ledger.claim_listing(run, budget(), NOW, channels=True) is Denied.NOTHING_PENDING
    first = await claimed(ledger, run)
    assert first.ids == (UPLOADS.text,)
    assert await ledger.settle(first, page(IDS[:50], "second", 120), NOW)
    tokens = await read(ledger, run, page([*IDS[50:99], IDS[98]], "third", 121), page(IDS[99:119], None, 121))
    assert tokens == ["second", "third"]
    (done,) = listings(database)
    assert (done.state, done.channel_id, done.playlist_id, done.title) == (
        ListingState.DONE,
        BY_ID.text,
        UPLOADS.text,
        "Somebody",
    )
    assert (done.pages, done.found, done.new, done.pass_items, done.reported_total) == (3, 120, 118, 120, 121)
    assert (done.capped, done.finished_at, done.reason) == (False, NOW, None)
    assert await counts(ledger) == {"pending": 119}
    assert not await ledger.has_listings()
    (load,) = reader.loads()
    assert (load.id, load.source, load.rows, load.new, load.finished_at) == (
        done.load_id,
        CHANNEL.address,
        120,
        118,
        NOW,
    )
    (day,) = reader.days("default")
    assert (day.units, day.calls, day.ok, day.listed, day.stored_bytes) == (4, 4, 4, 4, 0)
    # What a listing brought can be named, and taken out.
    assert sum((await ledger.remove(Span(), Removal(load_id=load.id))).values()) == 118
    assert listings(database)[0].new == 118


async def test_what_a_shorter_playlist_moved_onto_a_page_that_was_read_is_found(
    ledger: Ledger, run: int, database: Database
) -> None:
    """Three items of the first page are gone when the second is read: those behind it have moved by three places."""
    await ledger.add_listings([UPLOADS], NOW)
    tokens = await read(
        ledger,
        run,
        listed(Page(tuple(IDS[:50]), 50, "second", 120)),
        listed(Page(tuple(IDS[53:103]), 50, "third", 117, "first")),
        listed(Page(tuple(IDS[3:53]), 50, "second", 117)),
        listed(Page(tuple(IDS[53:103]), 50, "third", 117, "first")),
        listed(Page(tuple(IDS[103:120]), 17, None, 117, "second")),
    )
    assert tokens == [None, "second", "first", "second", "third"]
    assert [each.state for each in listings(database)] == [ListingState.DONE]
    assert await counts(ledger) == {"pending": 120}


async def test_totals_that_go_up_and_down_do_not_go_on_for_ever(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add_listings([PLAYLIST], NOW)
    first, last = Page(tuple(IDS[:50]), 50, "second", 70), Page(tuple(IDS[50:70]), 20, None, 69, "first")
    tokens = await read(ledger, run, *map(listed, [first, last, first, last, first, last]))
    assert tokens == [None, "second", "first", "second", "first", "second"]
    assert [each.state for each in listings(database)] == [ListingState.DONE]


async def test_the_last_page_of_a_shorter_playlist_is_not_its_end(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add_listings([PLAYLIST], NOW)
    tokens = await read(
        ledger,
        run,
        page(IDS[:50], "second", 60),
        listed(Page(tuple(IDS[52:60]), 8, None, 58, "first")),
        page(IDS[2:52], "second", 58),
        listed(Page(tuple(IDS[52:60]), 8, None, 58, "first")),
    )
    assert tokens == [None, "second", "first", "second"]
    assert [each.state for each in listings(database)] == [ListingState.DONE]
    assert await counts(ledger) == {"pending": 60}


async def test_two_runs_never_read_one_listing_at_once(make_ledger: MakeLedger, database: Database) -> None:
    one, other = make_ledger(), make_ledger()
    runs = [await a_run(one), await a_run(other, a_process(2))]
    await one.add_listings([PLAYLIST, UPLOADS], NOW)
    batches = [await claimed(one, runs[0]), await claimed(other, runs[1])]
    assert [batch.ids for batch in batches] == [(PLAYLIST.text,), (UPLOADS.text,)]
    assert await other.claim_listing(runs[1], budget(), NOW, channels=False) is Denied.NOTHING_PENDING
    assert await one.settle(batches[0], page(IDS[:50], "next"), NOW)
    assert (await claimed(other, runs[1])).listing == (1, "next")
    assert [each.state for each in listings(database)] == [ListingState.CLAIMED] * 2


async def test_its_units_are_reserved_with_the_claim(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add_listings([PLAYLIST], NOW)
    await ledger.spend_elsewhere(DAY, 9_999)
    batch = await claimed(ledger, run)
    assert await ledger.retry(run, batch, a_fault(), budget(), NOW) is Denied.BUDGET_SPENT
    (listing,) = listings(database)
    assert listing.state is ListingState.PENDING
    assert await ledger.claim_listing(run, budget(), NOW, channels=False) is Denied.BUDGET_SPENT
    await ledger.close_day(DAY, NOW)
    assert await ledger.claim_listing(run, budget(), NOW, channels=False) is Denied.DAY_CLOSED


async def test_a_call_that_fails_is_made_again_or_given_back(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add_listings([PLAYLIST], NOW)
    await read(ledger, run, page(IDS[:50], "second"))
    batch = await claimed(ledger, run)
    again = await ledger.retry(run, batch, a_fault(), budget(), NOW)
    assert isinstance(again, Batch)
    assert (again.attempt, again.listing) == (2, (1, "second"))
    with database.reader() as reader:
        assert [fault.calls for fault in reader.faults(5)] == [1]
    assert listings(database)[0].state is ListingState.CLAIMED
    assert not await ledger.settle(batch, page(IDS[50:]), NOW), "that claim is no more"
    assert await ledger.give_back(again, a_fault("dns", sent=False), GiveBack.RELEASE, NOW)
    assert await ledger.claim_listing(run, budget(), NOW, channels=False, given_up=[1]) is Denied.NOTHING_PENDING
    assert await read(ledger, run, page(IDS[50:60])) == ["second"]
    (listing,) = listings(database)
    assert (listing.state, listing.pages, listing.new) == (ListingState.DONE, 2, 60)
    assert (await ledger.progress()).days[0].units == 3, "the call that was never sent cost nothing"


async def test_a_dead_run_leaves_its_listing_to_others_at_the_page_where_it_was(
    make_ledger: MakeLedger, living: set[ProcessIdentity], database: Database
) -> None:
    dead, alive = make_ledger(), make_ledger()
    run, other = await a_run(dead), await a_run(alive, a_process(2))
    await dead.add_listings([PLAYLIST], NOW)
    await dead.add(IDS[190:], [], 0)
    await read(dead, run, page(IDS[:50], "second"))
    batch = await claimed(dead, run)
    of_videos = await a_batch(dead, run)
    living.remove(a_process(1))
    assert await alive.recover(a_process(2), NOW) == 2
    assert listings(database)[0].state is ListingState.PENDING
    assert await read(alive, other, page(IDS[50:100], "third")) == ["second"]
    assert not await dead.settle(batch, page(IDS[50:100], "third"), NOW), "fenced"
    assert not await dead.settle(of_videos, good_videos(of_videos), NOW)
    assert listings(database)[0].pages == 2
    await alive.renew_lease(other, NOW + LEASE)


@pytest.mark.parametrize("reason", ["playlistNotFound", "playlistItemsNotAccessible"])
async def test_a_playlist_that_may_not_be_read_fails_and_is_asked_for_again_on_demand(
    ledger: Ledger, run: int, database: Database, reason: str
) -> None:
    await ledger.add_listings([PLAYLIST, UPLOADS], NOW)
    await read(ledger, run, listed(None, reason, 404))
    failed, _ = listings(database)
    assert (failed.state, failed.reason, failed.finished_at, failed.pages) == (ListingState.FAILED, reason, NOW, 0)
    assert (await claimed(ledger, run)).ids == (UPLOADS.text,)
    assert await ledger.add_listings([], NOW, again=True) == ListingsAdded()
    assert await ledger.add_listings([PLAYLIST], NOW) == ListingsAdded(again=1)
    assert listings(database)[0].reason is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (listed(None, "channelNotFound"), "channelNotFound"),
        (listed(FOUND._replace(uploads_id="")), "noUploads"),
    ],
)
async def test_a_channel_without_uploads_fails(
    ledger: Ledger, run: int, database: Database, answer: Outcome, reason: str
) -> None:
    await ledger.add_listings([CHANNEL], NOW)
    assert await ledger.settle(await claimed(ledger, run, channels=True), answer, NOW)
    (failed,) = listings(database)
    assert (failed.state, failed.reason) == (ListingState.FAILED, reason)


async def test_a_channel_that_was_named_twice_is_read_once(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add_listings([CHANNEL, BY_ID], NOW)
    for _ in range(2):
        assert await ledger.settle(await claimed(ledger, run, channels=True), listed(FOUND), NOW)
    assert await read(ledger, run, page(IDS[:50])) == [None]
    assert await ledger.claim_listing(run, budget(), NOW, channels=False) is Denied.NOTHING_PENDING
    one, same = listings(database)
    assert (one.pages, same.pages, same.state, same.playlist_id) == (1, 0, ListingState.DONE, UPLOADS.text)
    assert await ledger.add_listings([], NOW, again=True) == ListingsAdded(again=1)
    # Without the one, the other is read as soon as it is named.
    assert await ledger.remove_listing(one.id, NOW)
    assert await ledger.add_listings([BY_ID], NOW) == ListingsAdded(again=1)
    assert await ledger.settle(await claimed(ledger, run, channels=True), listed(FOUND), NOW)
    assert await read(ledger, run, page(IDS[:60])) == [None]
    assert [(each.state, each.pages) for each in listings(database)] == [
        (ListingState.FAILED, 1),
        (ListingState.DONE, 1),
    ]


async def test_what_is_stored_of_a_channel_is_forgotten_and_fetched_again_with_its_uploads(
    ledger: Ledger, run: int, database: Database
) -> None:
    await ledger.add_listings([CHANNEL, BY_ID], NOW)
    for _ in range(2):
        assert await ledger.settle(await claimed(ledger, run, channels=True), listed(FOUND), NOW)
    await read(ledger, run, page(IDS[:50]))
    await ledger.forget_channels(NOW)
    assert [each.title for each in listings(database)] == ["Somebody"] * 2
    await ledger.forget_channels(NOW + timedelta(seconds=1))
    assert [each.title for each in listings(database)] == [None] * 2
    await ledger.add_listings([], NOW, again=True)
    assert await ledger.claim_listing(run, budget(), NOW, channels=False) is Denied.NOTHING_PENDING
    assert await ledger.settle(await claimed(ledger, run, channels=True), listed(FOUND), NOW)
    await read(ledger, run, page(IDS[:50], "2"))
    one, _ = listings(database)
    assert (one.state, one.title, one.pages, one.pass_pages) == (ListingState.DONE, "Somebody", 2, 1)


async def test_uploads_are_read_again_to_the_first_page_of_known_ids(
    ledger: Ledger, run: int, database: Database
) -> None:
    await ledger.add_listings([UPLOADS], NOW)
    await read(ledger, run, page(IDS[50:100], "2"), page(IDS[100:150], "3"), page(IDS[150:160]))
    # Another source brings what is among the new uploads, and what is not.
    await ledger.add(IDS[:20], [], 0)
    assert await ledger.add_listings([UPLOADS], NOW, again=True) == ListingsAdded(again=1)
    assert await read(ledger, run, page(IDS[:20], "2"), page(IDS[20:70], "3"), page(IDS[70:120], "4")) == [
        None,
        "2",
        "3",
    ]
    (done,) = listings(database)
    assert (done.state, done.pages, done.pass_pages, done.new) == (ListingState.DONE, 6, 3, 140)


async def test_reading_again_goes_on_past_the_ids_that_it_added_itself(
    ledger: Ledger, run: int, database: Database
) -> None:
    """A reading that begins anew has seen the first pages before: they are no sign that the rest is known."""
    await ledger.add_listings([UPLOADS], NOW)
    await read(ledger, run, page(IDS[100:150]))
    await ledger.add_listings([], NOW, again=True)
    again = [page(IDS[:50], "2"), listed(None, INVALID_PAGE_TOKEN, 400), page(IDS[:50], "2"), page(IDS[50:100], "3")]
    assert await read(ledger, run, *again, page(IDS[100:150], "4")) == [None, "2", None, "2", "3"]
    (done,) = listings(database)
    assert (done.state, done.new) == (ListingState.DONE, 150)


async def test_a_playlist_in_any_order_is_read_whole_again(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add_listings([PLAYLIST], NOW)
    both = page(IDS[:50], "2"), page(IDS[50:60])
    await read(ledger, run, *both)
    await ledger.add_listings([], NOW, again=True)
    await read(ledger, run, *both)
    (done,) = listings(database)
    assert (done.pages, done.pass_pages, done.found, done.new) == (4, 2, 120, 60)


async def test_an_expired_token_begins_the_reading_again_a_few_times(
    ledger: Ledger, run: int, database: Database
) -> None:
    await ledger.add_listings([PLAYLIST], NOW)
    expired = listed(None, INVALID_PAGE_TOKEN, 400)
    for _ in range(MAX_RESTARTS):
        assert await read(ledger, run, page(IDS[:50], "2"), expired) == [None, "2"]
    assert listings(database)[0].state is ListingState.PENDING
    await read(ledger, run, page(IDS[:50], "2"), expired)
    (failed,) = listings(database)
    assert (failed.state, failed.reason, failed.new) == (ListingState.FAILED, INVALID_PAGE_TOKEN, 50)


async def test_tokens_that_lead_in_a_circle_end_the_reading(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add_listings([PLAYLIST], NOW)
    await read(ledger, run, page([], "a"), page([], "a"))
    assert listings(database)[0].reason == "endlessPages"
    await ledger.add_listings([PLAYLIST], NOW)
    await read(ledger, run, page(IDS[:1], "b"))
    database.damage("UPDATE listings SET pages = ?, pass_pages = ?", (MAX_PASS_PAGES - 1,) * 2)
    assert await ledger.settle(await claimed(ledger, run), page(IDS[:1], "a"), NOW)
    with database.reader() as reader:
        assert reader.listings()[0].reason == "endlessPages"


@pytest.mark.parametrize(("pages_before", "capped"), [(MAX_ITEMS // 50 - 1, True), (MAX_ITEMS // 50 - 2, False)])
async def test_the_most_items_that_the_api_gives_are_noted(
    ledger: Ledger, run: int, database: Database, pages_before: int, capped: bool
) -> None:
    await ledger.add_listings([UPLOADS], NOW)
    await read(ledger, run, page(IDS[:50], "2"))
    database.damage("UPDATE listings SET pages = ?, pass_pages = ?", (pages_before, pages_before))
    await read(ledger, run, page(IDS[50:100], None, 30_000))
    with database.reader() as reader:
        assert [each.capped for each in reader.listings()] == [capped]
    # Looking for new uploads changes nothing about the old ones.
    await ledger.add_listings([], NOW, again=True)
    await read(ledger, run, page(IDS[:50], "2"))
    with database.reader() as reader:
        assert [(each.state, each.capped) for each in reader.listings()] == [(ListingState.DONE, capped)]


async def test_items_without_a_video_and_changing_totals_do_no_harm(
    ledger: Ledger, run: int, database: Database
) -> None:
    await ledger.add_listings([UPLOADS], NOW)
    await read(ledger, run, page([], "2", 70, items=50), page(IDS[:3], "3", None, items=10), page([], None, 3))
    (done,) = listings(database)
    assert (done.state, done.found, done.new, done.pass_items, done.reported_total) == (ListingState.DONE, 3, 3, 60, 3)
    await ledger.add_listings([], NOW, again=True)
    await read(ledger, run, page([], "2", 70, items=50), page(IDS[:3], "3"))
    assert listings(database)[0].state is ListingState.DONE


DAMAGE = {
    "pages": ("UPDATE listings SET pages = pages + 1", f"{PLAYLIST.text} counts 2 pages, but its calls brought 1."),
    "state": (
        "UPDATE listings SET state = 'pending'",
        f"{PLAYLIST.text} is pending, but 1 call is under way for it.",
    ),
    "call": (
        "UPDATE calls SET listing_id = NULL WHERE state = 'open'",
        f"{PLAYLIST.text} is claimed, but 0 calls are under way for it.",
    ),
    "day": (
        "UPDATE quota_days SET calls_listed = calls_listed + 1",
        f"{DAY} counts 2 good listing calls, but its calls add up to 1.",
    ),
    "load": (
        "UPDATE loads SET new = new + 1",
        "Load 1 brought 51 ids of which 0 were removed, but 50 are there.",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_wrong_count_is_found(ledger: Ledger, run: int, database: Database, damage: str) -> None:
    await ledger.add_listings([PLAYLIST], NOW)
    await read(ledger, run, page(IDS[:50], "2"))
    await claimed(ledger, run)
    statement, finding = DAMAGE[damage]
    database.damage(statement)
    with database.reader() as reader:
        assert finding in reader.findings()


async def test_a_removed_one_is_read_no_further_until_it_is_named_again(
    ledger: Ledger, run: int, database: Database
) -> None:
    await ledger.add_listings([PLAYLIST, UPLOADS, CHANNEL], NOW)
    batch = await claimed(ledger, run)
    assert not await ledger.remove_listing(1, NOW)
    assert await ledger.settle(batch, page(IDS[:50], "second"), NOW)
    assert await ledger.remove_listing(1, NOW)
    removed, kept, _ = listings(database)
    assert (removed.target, removed.state, removed.reason) == (PLAYLIST.text, ListingState.FAILED, REMOVED)
    assert (kept.target, kept.state) == (UPLOADS.text, ListingState.PENDING)
    assert await ledger.remove(Span(1, 50), Removal(load_id=removed.load_id)) == {VideoState.PENDING: 50}
    assert await ledger.add_listings([PLAYLIST, CHANNEL], NOW) == ListingsAdded(known=1, again=1)
    assert await read(ledger, run, page(IDS[:50], None)) == [None]
    assert listings(database)[0].state is ListingState.DONE
    assert await counts(ledger) == {"pending": 50}


async def test_calls_for_listings_and_for_videos_share_the_day(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add_listings([PLAYLIST], NOW)
    await read(ledger, run, page(IDS[:50], "2"))
    batch = await a_batch(ledger, run)
    assert await ledger.settle(batch, good_videos(batch), NOW)
    progress = await ledger.progress()
    assert (progress.days[0].units, progress.days[0].ok, progress.responses) == (12, 2, 1)
    assert replace(a_budget(), limit=12).bucket == "default"
    assert await ledger.claim_listing(run, budget(12), NOW, channels=False) is Denied.BUDGET_SPENT
    await ledger.close_run(run, NOW, "stopped")
    assert listings(database)[0].state is ListingState.PENDING
