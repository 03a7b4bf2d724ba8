"""Contradictions between the ledger and this machine's clock. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from harvester.model import RunRecord
from harvester.quota import RESET_GRACE, quota_day

_DOUBT = "The figures of today may be those of a wrong day: compare the clock with the API's: harvester doctor"


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
            at = f"{ended_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            return f"The ledger has a run that ended at {at}, later than now by this machine's clock. {_DOUBT}"
    for run, ended_at in ended[:1]:
        ahead = run.started_at - ended_at
        # If it is still before that start, the clock was set back since.
        if ahead > RESET_GRACE and now >= run.started_at:
            minutes = f"{ahead.total_seconds() / 60:,.0f} minutes"
            return (
                f"When the last run began, the clock of {run.host} was {minutes} or more ahead of the API's. {_DOUBT}"
            )
    return ""
