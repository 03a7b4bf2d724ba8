"""Units by the Pacific day, counted as the provider counts them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

PACIFIC = ZoneInfo("America/Los_Angeles")


def pacific_day(instant: datetime) -> date:
    """The quota day of an aware instant: 23, 24 or 25 hours that begin at Pacific midnight."""
    return instant.astimezone(PACIFIC).date()


@dataclass
class DayCount:
    """One day. `units` are those of the calls taken; `elsewhere` was spent by another user of the key."""

    calls: int = 0
    units: int = 0
    refused_by_quota: int = 0
    elsewhere: int = 0


class QuotaBook:
    """Takes calls until the day's units are spent."""

    def __init__(self, daily_units: int, units_per_call: int) -> None:
        self.daily_units = daily_units
        self.units_per_call = units_per_call
        self.days: dict[date, DayCount] = {}

    def charge(self, day: date) -> bool:
        """Charge one call to `day`; False, and no charge, if it would pass the day's units."""
        count = self._of(day)
        if count.units + count.elsewhere + self.units_per_call > self.daily_units:
            count.refused_by_quota += 1
            return False
        count.calls += 1
        count.units += self.units_per_call
        return True

    def report(self) -> dict[str, Any]:
        """Each day's count, ready for JSON."""
        return {day.isoformat(): vars(count).copy() for day, count in sorted(self.days.items())}

    def spend(self, day: date, units: int) -> None:
        """Take units off `day` as another user of the same key would."""
        self._of(day).elsewhere += units

    def _of(self, day: date) -> DayCount:
        return self.days.setdefault(day, DayCount())


class MinuteLimit:
    """So many calls in a clock minute, any number when `calls` is None."""

    def __init__(self, calls: int | None) -> None:
        self._calls = calls
        self._minute = -1
        self._seen = 0

    def allows(self, instant: datetime) -> bool:
        """Count one call; False if its minute is full already."""
        if self._calls is None:
            return True
        minute = int(instant.timestamp() // 60)
        if minute != self._minute:
            self._minute, self._seen = minute, 0
        self._seen += 1
        return self._seen <= self._calls
