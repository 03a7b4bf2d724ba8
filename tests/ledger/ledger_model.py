"""A ledger in its simplest form: what the real one is compared with. Pure, slow, and short enough to be believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from harvester.listing_types import ListingCall, ListingState, Target
from harvester.model import Batch, BatchKind, Budget, Denied, GiveBack, VideoState


@dataclass
class Video:
    position: int
    state: VideoState
    call: int | None = None
    attempts: int = 0
    suspect: tuple[int, int] | None = None
    """The refused call and the half that it went to."""


@dataclass
class Call:
    run: int
    day: date
    units: int
    ids: tuple[str, ...]
    state: str = "open"
    of_call: int | None = None
    """The call whose response this one is to replace."""
    listing: Listing | None = None
    """The listing of which it reads a page."""


@dataclass
class Listing:
    target: Target
    state: ListingState = ListingState.PENDING
    token: str | None = None
    pages: int = 0
    known_up_to: int | None = None
    """The last position when its uploads were read to the end."""


@dataclass
class Day:
    units: int = 0
    closed: bool = False


@dataclass
class Model:
    videos: dict[str, Video] = field(default_factory=dict)
    """In load order."""
    calls: dict[int, Call] = field(default_factory=dict)
    days: dict[date, Day] = field(default_factory=dict)
    listings: list[Listing] = field(default_factory=list)
    dead: set[int] = field(default_factory=set)
    """Runs whose process is gone."""

    def counts(self) -> Counter[VideoState]:
        return Counter(video.state for video in self.videos.values())

    def add(self, ids: Sequence[str], invalid: Collection[str]) -> int:
        before = len(self.videos)
        for text in ids:
            state = VideoState.INVALID if text in invalid else VideoState.PENDING
            self.videos.setdefault(text, Video(self.last_position() + 1, state))
        return len(self.videos) - before

    def last_position(self) -> int:
        return next((video.position for video in reversed(self.videos.values())), 0)

    def remove(self, state: VideoState, first: int, last: int) -> int:
        gone = [
            text
            for text, video in self.videos.items()
            if video.state is state and video.attempts == 0 and video.call is None and first <= video.position <= last
        ]
        for text in gone:
            del self.videos[text]
        return len(gone)

    def next_ids(self) -> tuple[str, ...]:
        pending = {text: video for text, video in self.videos.items() if video.state is VideoState.PENDING}
        suspects = {video.suspect for video in pending.values() if video.suspect is not None}
        first = min(suspects) if suspects else None
        return tuple(text for text, video in pending.items() if video.suspect == first)[:50]

    def denied(self, budget: Budget) -> Denied | None:
        day = self.days.get(budget.day, Day())
        if day.closed:
            return Denied.DAY_CLOSED
        return Denied.BUDGET_SPENT if day.units + budget.units_per_call > budget.limit else None

    def claim(self, run: int, budget: Budget) -> Batch | Denied:
        ids = self.next_ids()
        if not ids:
            return Denied.NOTHING_PENDING
        return self.denied(budget) or self._open(run, ids, budget, attempt=1)

    def retry(self, run: int, batch: Batch, sent: bool, budget: Budget) -> Batch | Denied:
        if not self.give_back(batch, GiveBack.RELEASE, sent):
            return Denied.CLAIM_LOST
        if batch.listing is not None:
            return self.denied(budget) or self._open_page(run, batch.listing.listing_id, budget, batch.attempt + 1)
        opened = self.denied(budget) or self._open(run, batch.ids, budget, batch.attempt + 1, batch.of_call)
        if isinstance(opened, Batch) and batch.of_call is not None:
            return replace(opened, asked_before=batch.asked_before + 1)
        return opened

    def claim_old(self, run: int, budget: Budget, old_call: int) -> Batch | Denied:
        ids = tuple(t for t, v in self.videos.items() if v.state is VideoState.FETCHED and v.call == old_call)
        if not ids or old_call in self.replaced():
            return Denied.NOTHING_PENDING
        return self.denied(budget) or self._open(run, ids, budget, attempt=1, of_call=old_call)

    def stored(self) -> list[int]:
        """The calls whose response holds any video."""
        return sorted({v.call for v in self.videos.values() if v.state is VideoState.FETCHED and v.call is not None})

    def replaced(self) -> dict[int, int]:
        """The calls whose response is being fetched again, and by which."""
        return {c.of_call: n for n, c in self.calls.items() if c.state == "open" and c.of_call is not None}

    def settle(self, batch: Batch, missing: Collection[str]) -> bool:
        if not self._close(batch.call_id, "ok"):
            return False
        for text in batch.ids:
            self.videos[text].state = VideoState.MISSING if text in missing else VideoState.FETCHED
            self.videos[text].call = batch.call_id
        return True

    def give_back(self, batch: Batch, how: GiveBack, sent: bool) -> bool:
        if not self._close(batch.call_id, "failed"):
            return False
        call = self.calls[batch.call_id]
        if not sent:
            self.days[call.day].units -= call.units
            call.units = 0
        if call.listing is not None:
            call.listing.state = ListingState.PENDING
        if not batch.kind.claims_ids:
            return True
        middle = (len(batch) + 1) // 2
        for index, text in enumerate(batch.ids):
            video = self.videos[text]
            video.state = VideoState.FAILED if how is GiveBack.FAIL else VideoState.PENDING
            if how is GiveBack.SPLIT and len(batch) > 1:
                video.suspect = (batch.call_id, index // middle)
        return True

    def abandon(self, runs: Collection[int]) -> int:
        """The claims of these runs are taken back."""
        lost = [number for number, call in self.calls.items() if call.run in runs and call.state == "open"]
        for number in lost:
            self._close(number, "abandoned")
            if (listing := self.calls[number].listing) is not None:
                listing.state = ListingState.PENDING
            for text in self.calls[number].ids if self.calls[number].of_call is None else ():
                self.videos[text].state = VideoState.PENDING
        return len(lost)

    # --- pages of listings

    def discover(self, targets: Sequence[Target], again: bool) -> int:
        """Returns how many listings are to be read again."""
        done = [listing for listing in self.listings if again and listing.state is ListingState.DONE]
        for listing in done:
            listing.state = ListingState.PENDING
        self.listings += map(Listing, targets)
        return len(done)

    def claim_page(self, run: int, budget: Budget) -> Batch | Denied:
        pending = [n for n, listing in enumerate(self.listings, 1) if listing.state is ListingState.PENDING]
        return (self.denied(budget) or self._open_page(run, pending[0], budget)) if pending else Denied.NOTHING_PENDING

    def settle_page(self, batch: Batch, ids: Sequence[str], token: str | None) -> bool:
        listing = self.calls[batch.call_id].listing
        if listing is None or not self._close(batch.call_id, "ok"):
            return False
        known_up_to = listing.known_up_to or 0
        all_known = all(text in self.videos and self.videos[text].position <= known_up_to for text in ids)
        self.add(ids, ())
        listing.pages, listing.token, listing.state = listing.pages + 1, token, ListingState.PENDING
        if token is None or all_known:
            listing.token, listing.state = None, ListingState.DONE
            listing.known_up_to = self.last_position() if listing.target.is_newest_first else None
        return True

    def _open_page(self, run: int, number: int, budget: Budget, attempt: int = 1) -> Batch:
        listing = self.listings[number - 1]
        listing.state = ListingState.CLAIMED
        batch = self._open(run, (), budget, attempt)
        self.calls[batch.call_id].listing = listing
        page = replace(batch, kind=BatchKind.LISTING, listing=ListingCall(number, listing.token))
        return replace(page, positions=(0,), ids=(listing.target.text,), asked_before=attempt - 1)

    # --- responses again

    def requeue(self, states: Collection[VideoState], first: int, last: int) -> int:
        chosen = [v for v in self.videos.values() if v.state in states and first <= v.position <= last]
        return self._forget(chosen)

    def prune(self, calls: Collection[int]) -> int:
        for old_call, number in self.replaced().items():
            if old_call in calls:
                self._close(number, "abandoned")
        return self._forget([v for v in self.videos.values() if v.state is VideoState.FETCHED and v.call in calls])

    def _forget(self, chosen: Sequence[Video]) -> int:
        """As if never asked for."""
        for video in chosen:
            video.state, video.attempts, video.suspect = VideoState.PENDING, 0, None
        return len(chosen)

    def _open(self, run: int, ids: tuple[str, ...], budget: Budget, attempt: int, of_call: int | None = None) -> Batch:
        number = len(self.calls) + 1
        self.calls[number] = Call(run, budget.day, budget.units_per_call, ids, of_call=of_call)
        self.days.setdefault(budget.day, Day()).units += budget.units_per_call
        videos = [self.videos[text] for text in ids]
        positions = tuple(video.position for video in videos)
        batch = Batch(number, budget.day, budget.units_per_call, attempt, positions, ids)
        if of_call is not None:
            return replace(batch, kind=BatchKind.REFRESH, of_call=of_call)
        asked_before = max((video.attempts for video in videos), default=0)
        for video in videos:
            video.state, video.call, video.attempts = VideoState.CLAIMED, number, video.attempts + 1
        return replace(batch, asked_before=asked_before)

    def _close(self, number: int, state: str) -> bool:
        call = self.calls[number]
        was_open, call.state = call.state == "open", state if call.state == "open" else call.state
        return was_open
