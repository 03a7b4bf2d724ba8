"""The quota days as a person sees and fixes them, of each of the API's daily quotas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from harvester import quota
from harvester.clock import Clock
from harvester.config import Config
from harvester.errors import ConfigError
from harvester.ledger.open import check, open_ledger, open_reader
from harvester.model import Bucket, QuotaDay

NAMES: dict[Bucket, str] = {"default": "videos.list", "statistics": "videos:batchGetStats"}
"""How people know the quotas: by what harvester asks of them."""


@dataclass(frozen=True, slots=True)
class BucketDays:
    """A daily quota of the API, and its days, oldest first; today is always one of them."""

    name: str
    daily_units: int
    """What may be spent a day: quota.reserve_units are left out."""
    days: Sequence[QuotaDay]


def buckets(config: Config, clock: Clock) -> list[BucketDays]:
    """What the ledger knows of each. Reads only."""
    check(config.ledger.url)
    today, settings = quota.quota_day(clock.now()), config.quota
    units: dict[Bucket, int] = {"default": settings.spendable_units, "statistics": settings.statistics_daily_units}
    with open_reader(config.ledger.url) as reader:
        return [BucketDays(NAMES[each], units[each], _with_today(reader.days(each), today)) for each in NAMES]


def _with_today(days: Sequence[QuotaDay], today: date) -> Sequence[QuotaDay]:
    if any(day.day == today for day in days):
        return days
    return sorted([*days, QuotaDay(today)], key=lambda day: day.day)


async def reopen(config: Config, day: date, bucket: Bucket = "default") -> None:
    """Open a day again that was closed by the API, or by what was taken for its words.

    Raises ConfigError where it is not closed.
    """
    check(config.ledger.url)
    async with open_ledger(config.ledger.url) as ledger:
        if not await ledger.reopen_day(day, bucket):
            raise ConfigError(
                f"{day} is not closed for {NAMES[bucket]}.",
                state="Nothing was changed.",
                next_step="harvester quota shows which days are.",
            )


async def spend(config: Config, units: int, clock: Clock, bucket: Bucket = "default") -> date:
    """Note that others spent so many units in all on this quota day, instead of what was noted before; the day."""
    check(config.ledger.url)
    today = quota.quota_day(clock.now())
    async with open_ledger(config.ledger.url) as ledger:
        await ledger.spend_elsewhere(today, units, bucket)
    return today
