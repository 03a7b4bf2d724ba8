"""The quota days as a person sees and fixes them: of videos.list, and of the statistics, which have a quota apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from harvester import quota
from harvester.clock import Clock
from harvester.config import Config
from harvester.errors import ConfigError
from harvester.ledger.open import check, open_ledger, open_reader
from harvester.model import QuotaDay

VIDEOS = "videos.list"
STATISTICS = "videos:batchGetStats"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A daily quota of the API, and its days, oldest first; today is always one of them."""

    name: str
    daily_units: int
    """What may be spent a day: quota.reserve_units are left out."""
    days: Sequence[QuotaDay]


def buckets(config: Config, clock: Clock) -> list[Bucket]:
    """What the ledger knows of both. Reads only."""
    check(config.ledger.url)
    today, settings = quota.quota_day(clock.now()), config.quota
    with open_reader(config.ledger.url) as reader:
        of_videos, of_statistics = reader.progress().days, reader.statistics_days()
    return [
        Bucket(VIDEOS, settings.spendable_units, _with_today(of_videos, today)),
        Bucket(STATISTICS, settings.statistics_daily_units, _with_today(of_statistics, today)),
    ]


def _with_today(days: Sequence[QuotaDay], today: date) -> Sequence[QuotaDay]:
    if any(day.day == today for day in days):
        return days
    nothing = QuotaDay(today, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    return sorted([*days, nothing], key=lambda day: day.day)


async def reopen(config: Config, day: date, *, statistics: bool = False) -> None:
    """Open a day again that was closed by the API, or by what was taken for its words.

    Raises ConfigError where it is not closed.
    """
    check(config.ledger.url)
    async with open_ledger(config.ledger.url, statistics_only=statistics) as ledger:
        if not await ledger.reopen_day(day):
            raise ConfigError(
                f"{day} is not closed for {STATISTICS if statistics else VIDEOS}.",
                state="Nothing was changed.",
                next_step="harvester quota shows which days are.",
            )


async def spend(config: Config, units: int, clock: Clock, *, statistics: bool = False) -> date:
    """Note that others spent so many units in all on this quota day, instead of what was noted before; the day."""
    check(config.ledger.url)
    today = quota.quota_day(clock.now())
    async with open_ledger(config.ledger.url, statistics_only=statistics) as ledger:
        await ledger.spend_elsewhere(today, units)
    return today
