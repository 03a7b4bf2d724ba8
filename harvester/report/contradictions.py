"""What contradicts the ledger: quota.units_per_call, or this machine's clock. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from harvester.config import QuotaSettings
from harvester.model import QuotaDay, RunRecord
from harvester.quota_calendar import RESET_GRACE, quota_day
from harvester.report.wording import utc
from harvester.support.sanitize import count

DAYS = 7
"""Newest quota days that are compared: an older wrong setting may have been corrected since."""
COURSE_PRICE = 11
"""Units for five parts, by the price list of 1 unit and 2 for each part."""
DEAREST = 21
"""Units: 1, and 2 for each of ten parts. If more is missing, others spent it."""
_MARGIN = 1.25
"""How far the figures must be from the set price: some calls fail and cost nevertheless."""
_DOUBT = "The figures of today may be those of a wrong day: compare the clock with the API's: harvester doctor"


def price_hint(days: Sequence[QuotaDay], settings: QuotaSettings) -> str:
    """Return how the last days contradict quota.units_per_call, and what to set; empty if they don't."""
    for day in [day for day in days if day.calls][: -DAYS - 1 : -1]:
        if hint := _closed_early(day, settings) or _went_too_far(day, settings):
            return hint
    return ""


def _closed_early(day: QuotaDay, settings: QuotaSettings) -> str:
    """The API closed the day before the price that is set had spent it."""
    units, good = settings.daily_units - day.elsewhere, day.ok - day.listed
    if day.closed_by_server_at is None or day.units * _MARGIN > units or not good:
        return ""
    # `calls` includes refused ones, `ok` omits failed ones that cost: the price is between the two quotients. The
    # calls for listings have prices of their own, which matter little here.
    least, most = units / day.calls, units / good
    if most < _MARGIN * settings.units_per_call:
        return ""
    seen = (
        f"The API closed {day.day} after {count(good, 'good call')}: {good * settings.units_per_call:,} of "
        f"{count(settings.daily_units, 'unit')} at quota.units_per_call = {settings.units_per_call}."
    )
    others = "if others use the key, enter what they spent: harvester quota --spent N"
    if least > DEAREST:
        return f"{seen} Compare quota.daily_units with your console; {others}"
    price = COURSE_PRICE if round(least) <= COURSE_PRICE <= round(most) else round(most)
    return f"{seen} That fits {count(price, 'unit')} a call: set quota.units_per_call = {price}; {others}"


def _went_too_far(day: QuotaDay, settings: QuotaSettings) -> str:
    """More calls were answered than a day has units for, at the price that is set."""
    good = day.ok - day.listed
    units = good * settings.units_per_call
    if day.closed_by_server_at is not None or units < _MARGIN * settings.daily_units:
        return ""
    return (
        f"On {day.day} the API answered {count(good, 'call')}, at quota.units_per_call = {settings.units_per_call} "
        f"{units:,} of {count(settings.daily_units, 'unit')}, and did not close the day: a call costs less. Set "
        f"quota.units_per_call = {max(1, settings.daily_units // good)}"
    )


def clock_hint(newest_day: date | None, runs: Sequence[RunRecord], now: datetime) -> str:
    """Return how the ledger contradicts this machine's clock; empty if it does not.

    `newest_day` is the last quota day of the ledger; `runs` are newest first. A run begins by its machine's clock, and
    ends by the API's if that is known.
    """
    if newest_day is not None and newest_day > quota_day(now):
        return f"The ledger has calls of {newest_day}, a day to come by this machine's clock. {_DOUBT}"
    # A dead run was ended by another one, perhaps before that knew the API's time.
    ended = [(run, run.ended_at) for run in runs if run.ended_at is not None and run.reason != "died"]
    for _, ended_at in ended:
        if ended_at - now > RESET_GRACE:
            return (
                f"The ledger has a run that ended at {utc(ended_at)}, later than now by this machine's clock. {_DOUBT}"
            )
    for run, ended_at in ended[:1]:
        ahead = run.started_at - ended_at
        # If it is still before that start, the clock was set back since.
        if ahead > RESET_GRACE and now >= run.started_at:
            minutes = f"{ahead.total_seconds() / 60:,.0f} minutes"
            return (
                f"When the last run began, the clock of {run.host} was {minutes} or more ahead of the API's. {_DOUBT}"
            )
    return ""
