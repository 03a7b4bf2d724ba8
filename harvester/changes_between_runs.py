"""Changes to a ledger between runs: requeue, prune, remove, and correct quota days.

Changes of many ids are made in many short transactions, so that a run need not wait long for any of them. An
interrupted change continues when repeated.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from harvester import quota_calendar
from harvester.clock import Clock
from harvester.config import Config
from harvester.errors import ConfigError
from harvester.ledger.ledger import Ledger
from harvester.ledger.open import open_ledger, open_reader
from harvester.ledger.records import LoadRecord, OldResponse, Removal
from harvester.listing_types import REMOVED, ListingRecord
from harvester.model import NOTHING_STORED, Bucket, QuotaDay, Span, Stored, VideoState

REQUEUED_POSITIONS = 5_000
"""Positions that one transaction of `requeue` looks at."""
REMOVED_POSITIONS = 2_000
"""Positions that one transaction of `remove` looks at: each removed id changes a page of an index, and 2,000 pages take
a tenth of a second."""
PRUNED_RESPONSES = 100
"""Most responses deleted in one transaction."""
MAX_ROWS_SCANNED = 200_000
"""Most positions that the ids of those responses span, unless one response spans more."""
PAUSE_SECONDS = 0.02
"""Pause between two transactions: SQLite has no queue, and who waits for its lock only polls."""

BUCKET_NAMES: dict[Bucket, str] = {"default": "videos.list", "statistics": "videos:batchGetStats"}
"""How the quotas are shown: by the method that uses them."""


async def requeue(
    ledger: Ledger, states: Collection[VideoState], reasons: Collection[str] | None
) -> dict[VideoState, int]:
    """Make failed or missing ids pending again. Returns how many of each of `states`."""
    moved = await _in_steps(ledger, REQUEUED_POSITIONS, lambda span: ledger.requeue(span, states, reasons))
    return {state: moved[state] for state in states}


async def prune(ledger: Ledger, before: datetime, now: datetime) -> Stored:
    """Delete the responses, and what is stored of channels, fetched before `before`. Returns the responses' sums."""
    await ledger.forget_channels(before)
    total = NOTHING_STORED
    after = 0
    while old := await ledger.old_responses(before, after, PRUNED_RESPONSES):
        after = old[-1].call_id
        for call_ids in _by_position_span(old):
            total = total.plus(await ledger.prune(call_ids, before, now))
            await asyncio.sleep(PAUSE_SECONDS)
    return total


async def prune_statistics(ledger: Ledger, before: datetime) -> int:
    """Delete the statistics fetched before `before`: see `Ledger.old_statistics`. Returns how many answers."""
    old = await ledger.old_statistics(before)
    for start in range(0, len(old), PRUNED_RESPONSES):
        await ledger.prune_statistics(old[start : start + PRUNED_RESPONSES])
        await asyncio.sleep(PAUSE_SECONDS)
    return len(old)


def _by_position_span(old: Sequence[OldResponse]) -> Iterator[list[int]]:
    """Yield the calls of these responses in groups that span at most MAX_ROWS_SCANNED positions."""
    calls: list[int] = []
    position_span = 0
    for response in old:
        if calls and position_span + response.position_span > MAX_ROWS_SCANNED:
            yield calls
            calls, position_span = [], 0
        calls.append(response.call_id)
        position_span += response.position_span
    yield calls


@dataclass(frozen=True, slots=True)
class Removable:
    """What a removal would remove: ids by state, and the load or listing if one was named."""

    videos: Mapping[VideoState, int]
    load: LoadRecord | None
    listing: ListingRecord | None = None

    @property
    def total(self) -> int:
        """All ids that would be removed."""
        return sum(self.videos.values())


def removable_listing(config: Config, listing_id: int) -> Removable:
    """Return what `remove_listing` would do. Reads only. Raises ConfigError if there is no such listing."""
    with open_reader(config.ledger.url) as reader:
        listing = next((each for each in reader.listings() if each.id == listing_id and each.reason != REMOVED), None)
        if listing is None:
            raise ConfigError(
                f"There is no listing {listing_id}.",
                state="Nothing was changed.",
                next_step="Run harvester status --listings to list them.",
            )
        load = next((load for load in reader.loads() if load.id == listing.load_id), None)
        return Removable({} if load is None else reader.removable(Removal(load_id=load.id)), load, listing)


async def remove_listing(config: Config, listing: ListingRecord, now: datetime) -> dict[VideoState, int]:
    """Remove a listing, and the ids that it brought and no call has asked for. Returns how many of each state."""
    async with open_ledger(config.ledger.url) as ledger:
        if not await ledger.remove_listing(listing.id, now):
            raise ConfigError(
                f"A call for listing {listing.id} is under way.",
                state="Nothing was changed.",
                next_step="Try again once the run has ended.",
            )
    return {} if listing.load_id is None else await remove(config, Removal(load_id=listing.load_id))


def removable(config: Config, which: Removal) -> Removable:
    """Return what `remove` would do. Reads only. Raises ConfigError if there is no such load."""
    with open_reader(config.ledger.url) as reader:
        load = next((load for load in reader.loads() if load.id == which.load_id), None)
        if which.load_id is not None and load is None:
            raise ConfigError(
                f"There is no load {which.load_id}.",
                state="Nothing was changed.",
                next_step="Run harvester status --loads to list them.",
            )
        return Removable(reader.removable(which), load)


async def remove(config: Config, which: Removal) -> dict[VideoState, int]:
    """Remove ids of a wrong load that no call has asked for. Returns how many of each state."""
    async with open_ledger(config.ledger.url) as ledger:
        return dict(await _in_steps(ledger, REMOVED_POSITIONS, lambda span: ledger.remove(span, which)))


async def _in_steps(
    ledger: Ledger, positions: int, change: Callable[[Span], Awaitable[Mapping[VideoState, int]]]
) -> Counter[VideoState]:
    """Call `change` for spans of `positions` positions. Returns the sums of what it returned."""
    changed: Counter[VideoState] = Counter()
    last = await ledger.last_position()
    for first in range(1, last + 1, positions):
        chunk = await change(Span(first, first + positions - 1))
        changed.update(chunk)
        if any(chunk.values()):
            await asyncio.sleep(PAUSE_SECONDS)
    return changed


# --- quota days


@dataclass(frozen=True, slots=True)
class BucketDays:
    """A daily quota of the API, and its days, oldest first; today is always one of them."""

    name: str
    daily_units: int
    """What may be spent a day: quota.reserve_units are left out."""
    days: Sequence[QuotaDay]


def buckets(config: Config, clock: Clock) -> list[BucketDays]:
    """Return each bucket with its days. Reads only."""
    today, settings = quota_calendar.quota_day(clock.now()), config.quota
    units: dict[Bucket, int] = {"default": settings.spendable_units, "statistics": settings.statistics_daily_units}
    with open_reader(config.ledger.url) as reader:
        return [
            BucketDays(name, units[bucket], _with_today(reader.days(bucket), today))
            for bucket, name in BUCKET_NAMES.items()
        ]


def _with_today(days: Sequence[QuotaDay], today: date) -> Sequence[QuotaDay]:
    if any(day.day == today for day in days):
        return days
    return sorted([*days, QuotaDay(today)], key=lambda day: day.day)


async def reopen(config: Config, day: date, bucket: Bucket = "default") -> None:
    """Reopen a day that was closed.

    Raises ConfigError if it is not closed.
    """
    async with open_ledger(config.ledger.url) as ledger:
        if not await ledger.reopen_day(day, bucket):
            raise ConfigError(
                f"{day} is not closed for {BUCKET_NAMES[bucket]}.",
                state="Nothing was changed.",
                next_step="Run harvester quota to see which days are.",
            )


async def spend(config: Config, units: int, clock: Clock, bucket: Bucket = "default") -> date:
    """Record the units that others have spent today, in place of an earlier figure. Returns the day."""
    today = quota_calendar.quota_day(clock.now())
    async with open_ledger(config.ledger.url) as ledger:
        await ledger.spend_elsewhere(today, units, bucket)
    return today
