"""The provider's count of units by Pacific days."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

PACIFIC = ZoneInfo("America/Los_Angeles")


def pacific_day(instant: datetime) -> date:
    """Return the quota day of an aware instant: 23, 24 or 25 hours from Pacific midnight."""
    return instant.astimezone(PACIFIC).date()


@dataclass
class DayCount:
    """One day. `units` are those of accepted calls; `elsewhere` was spent by another user of the key."""

    calls: int = 0
    units: int = 0
    refused_by_quota: int = 0
    elsewhere: int = 0


class QuotaBook:
    """Accepts calls until the day's units are spent."""

    def __init__(self, daily_units: int, units_per_call: int) -> None:
        self.daily_units = daily_units
        self.units_per_call = units_per_call
        self.days: dict[date, DayCount] = {}

    def charge(self, day: date, units: int | None = None) -> bool:
        """Charge a call of `units` (by default `units_per_call`) to `day`.

        Returns False, without a charge, if it would exceed the day's units.
        """
        count = self._of(day)
        units = self.units_per_call if units is None else units
        if count.units + count.elsewhere + units > self.daily_units:
            count.refused_by_quota += 1
            return False
        count.calls += 1
        count.units += units
        return True

    def report(self) -> dict[str, Any]:
        """Return the counts of each day, for JSON."""
        return {day.isoformat(): vars(count).copy() for day, count in sorted(self.days.items())}

    def spend(self, day: date, units: int) -> None:
        """Spend units of `day`, as another user of the key."""
        self._of(day).elsewhere += units

    def _of(self, day: date) -> DayCount:
        return self.days.setdefault(day, DayCount())
