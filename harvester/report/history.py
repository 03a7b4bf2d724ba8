"""The history of statistics in figures: how fresh it is, what it cost today, how much there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from harvester.config import Config
from harvester.ledger.reader import LedgerReader
from harvester.model import QuotaDay
from harvester.support.sanitize import count


@dataclass(frozen=True, slots=True)
class History:
    """Statistics that were fetched by themselves. Units are those of their own quota."""

    newest_at: datetime | None = None
    """None if there are none."""
    points: int = 0
    """Fetches of a video's counts in the newest `keep_days` days."""
    keep_days: int = 0
    units_today: int = 0
    daily_units: int = 0

    def __bool__(self) -> bool:
        return self.newest_at is not None

    @property
    def in_words(self) -> tuple[str, str]:
        """How much there is, and what it costs, if there is any."""
        fetched = f"{count(self.points, 'count')} in {count(self.keep_days, 'day')}"
        spent = f"{self.units_today:,} of {count(self.daily_units, 'unit')} of their own spent today"
        return f"{fetched}, the newest at {self.newest_at:%Y-%m-%d %H:%M} UTC", spent


NO_HISTORY = History()


def history_of(reader: LedgerReader, config: Config, today: date) -> History:
    """Return the figures. Reads no body."""
    days = reader.days("statistics")
    newest = reader.newest_statistics() if any(day.ok for day in days) else None
    keep_days = config.statistics.keep_days
    begin = today - timedelta(days=keep_days)
    spent = next((day for day in days if day.day == today), QuotaDay(today))
    points = sum(day.fetched for day in days if day.day > begin)
    return History(newest, points, keep_days, spent.units, config.quota.statistics_daily_units)
