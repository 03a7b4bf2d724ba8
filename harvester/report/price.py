"""What a crawl's own figures say of the price of a call. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harvester.model import QuotaDay
from harvester.text import count

if TYPE_CHECKING:
    from harvester.config import QuotaSettings

DAYS = 7
"""Newest quota days that are looked at: what was set wrongly before may have been mended since."""
DEAREST = 21
"""Units: 1, and 2 for each of ten parts. Where more is missing, somebody else spent it."""
_MARGIN = 1.25
"""How far the figures must be from the price that is set: some calls fail and cost all the same."""


def price_hint(days: Sequence[QuotaDay], settings: QuotaSettings) -> str:
    """Where the last days contradict quota.units_per_call: how, and what to set. Empty where they don't."""
    for day in [day for day in days if day.calls][: -DAYS - 1 : -1]:
        if hint := _closed_early(day, settings) or _went_too_far(day, settings):
            return hint
    return ""


def _closed_early(day: QuotaDay, settings: QuotaSettings) -> str:
    """The API closed the day before the price that is set had spent it."""
    price = (settings.daily_units - day.elsewhere) / day.calls
    if day.closed_by_server_at is None or price < _MARGIN * settings.units_per_call:
        return ""
    seen = (
        f"The API closed {day.day} after {count(day.calls, 'call')}: {day.calls * settings.units_per_call:,} of "
        f"{count(settings.daily_units, 'unit')} at quota.units_per_call = {settings.units_per_call}."
    )
    others = "if others use the key, enter what they spent: harvester quota --spent N"
    if price > DEAREST:
        return f"{seen} Compare quota.daily_units with your console; {others}"
    return f"{seen} That fits {price:.0f} units a call: set quota.units_per_call = {price:.0f}; {others}"


def _went_too_far(day: QuotaDay, settings: QuotaSettings) -> str:
    """More calls were answered than a day has units for, at the price that is set."""
    units = day.ok * settings.units_per_call
    if day.closed_by_server_at is not None or units < _MARGIN * settings.daily_units:
        return ""
    return (
        f"On {day.day} the API answered {count(day.ok, 'call')}, at quota.units_per_call = {settings.units_per_call} "
        f"{units:,} of {count(settings.daily_units, 'unit')}, and did not close the day: a call costs less. Set "
        f"quota.units_per_call = {max(1, settings.daily_units // day.ok)}"
    )
