"""The ids of the soak that come by `discover`: a channel that grows, a playlist of its videos, and a later channel."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from harvester.ledger.reader import LedgerReader
from harvester.ledger.schema import calls
from harvester.listing_types import PAGE_SIZE, ListingKind, ListingRecord, ListingState, Target
from harvester.model import CallState
from harvester.report.result_types import Check
from harvester.simulator import SimulatorSettings, channel_named, playlist_of_id
from harvester.youtube.endpoints import CHANNELS_LIST, PLAYLIST_ITEMS_LIST, VIDEOS_LIST

UPLOADS_MOST = 8_000
UPLOADS_A_DAY = 60
"""More than a page."""
PRICES = {CHANNELS_LIST.name: 1, PLAYLIST_ITEMS_LIST.name: 1, VIDEOS_LIST.name: SimulatorSettings.units_per_call}


class Channels:
    """What is discovered on which day, and what must have come of it. Days are counted from 0."""

    def __init__(self, seed: int, videos: int, days: int) -> None:
        self._seed = seed
        self._days = days
        uploads = min(videos // 16, UPLOADS_MOST)
        growing = channel_named(f"growing-{uploads}-{UPLOADS_A_DAY}")
        later = channel_named(f"later-{uploads // 4}")
        assert growing is not None
        assert later is not None
        self._growing, self._later = growing, later
        self._readings: defaultdict[str, list[int]] = defaultdict(list)
        """The days on which each target was to be read."""
        self._late = 0
        """Listings that a day left unread: what they read later may be a page more, or less."""

    @property
    def count(self) -> int:
        """The ids that are discovered on the first day, and those of the later channel."""
        return self._growing.uploads + self._later.uploads

    def begin_day(self, day: int, known: Sequence[ListingRecord]) -> tuple[list[Target], bool]:
        """Return what to discover on this day, and whether to read all again. `known` are the ledger's listings."""
        targets = []
        if day == 0:
            playlist = Target(ListingKind.PLAYLIST, self._growing.mixed_playlist)
            targets = [Target(ListingKind.CHANNEL, f"@{self._growing.name}"), playlist]
        elif day == max(1, self._days // 3):
            targets = [Target(ListingKind.CHANNEL, self._later.id)]
        again = day % 2 == 1 and day <= self._days // 2
        done = [listing.target for listing in known if listing.state is ListingState.DONE]
        self._late += len(known) - len(done)
        for target in [*(target.text for target in targets), *(done if again else ())]:
            self._readings[target].append(day)
        return targets, again

    def checks(self, reader: LedgerReader, report: dict[str, Any], loaded: set[str], last_day: int) -> list[Check]:
        found = {video_id for video_id, _ in reader.states()}
        least, most = (self._ids(day) | loaded for day in (self._readings[f"@{self._growing.name}"][-1], last_day))
        listings = reader.listings()
        unread = [listing.target for listing in listings if listing.state is not ListingState.DONE]
        pages, needed = sum(listing.pages for listing in listings), self._pages(listings)
        states = _calls_by_state(reader)
        good, lost = (states[state, PLAYLIST_ITEMS_LIST.name] for state in (CallState.OK, CallState.ABANDONED))
        delivered = report["endpoints"][PLAYLIST_ITEMS_LIST.name]["good"]
        units = reader.units_by_endpoint()
        charged = {name: counts["units"] for name, counts in report["endpoints"].items()}
        exact = all(
            0 <= units[name] - charged[name] <= states[CallState.ABANDONED, name] * price
            for name, price in PRICES.items()
        )
        return [
            Check(
                "every listing done, each of its ids in the ledger",
                not unread and least <= found <= most,
                f"{len(listings)} listings, {len(unread)} unread, {len(found - loaded):,} ids, "
                f"{len(least - found)} not found, {len(found - most)} unknown",
            ),
            Check(
                "the fewest pages, and those under way at kills",
                abs(pages - needed) <= 2 * self._late and pages == good and 0 <= delivered - good <= lost,
                f"{pages} pages, {needed} needed, {self._late} read late; {delivered} delivered, {lost} lost",
            ),
            Check(
                "each endpoint's units exact by the API's count",
                exact and units.keys() == charged.keys() == PRICES.keys(),
                ", ".join(f"{name} {charged[name]:,} of {units[name]:,} sent" for name in units),
            ),
        ]

    def _ids(self, day: int) -> set[str]:
        """The ids of both channels on that day."""
        return {
            video_id
            for channel in (self._growing, self._later)
            for video_id in channel.video_ids(self._seed, range(channel.size(day)))
        }

    def _pages(self, listings: Sequence[ListingRecord]) -> int:
        """The fewest pages: a playlist is read whole each time, uploads to a page of known ids."""
        pages = 0
        for listing in listings:
            playlist = playlist_of_id(listing.playlist_id or "")
            assert playlist is not None
            sizes = [playlist.channel.size(day) for day in self._readings[listing.target]]
            before = [0, *sizes] if listing.kind is ListingKind.CHANNEL else [0] * len(sizes)
            new = ((size - known, known) for size, known in zip(sizes, before, strict=False))
            pages += sum(-(-more // PAGE_SIZE) + bool(known) for more, known in new)
        return pages


def _calls_by_state(reader: LedgerReader) -> Counter[tuple[str, str]]:
    query = select(calls.c.state, calls.c.endpoint, func.count()).group_by(calls.c.state, calls.c.endpoint)
    return Counter({(state, endpoint): number for state, endpoint, number in reader._db.execute(query)})
