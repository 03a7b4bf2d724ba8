"""The clock of a crawl: the machine's, or the API's where the two are far apart."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta

from harvester.clock import Clock
from harvester.quota_calendar import RESET_GRACE, quota_day, seconds_to_another_day

log = logging.getLogger(__name__)


class ApiClock:
    """A clock that the `Date` of each answer corrects.

    Where the API's time and the machine's are further apart than RESET_GRACE, time is counted from the last answer by
    the monotonic clock: setting the clock, even while a run sleeps, moves no quota day.
    """

    def __init__(self, clock: Clock, ask: Callable[[], Awaitable[datetime | None]]) -> None:
        """`ask` requests the API's time, at no cost."""
        self._clock = clock
        self._ask = ask
        self._heard: tuple[datetime, float] | None = None
        self._far_off = False

    def now(self) -> datetime:
        """The current time, in UTC."""
        own = self._clock.now()
        if self._heard is None:
            return own
        api, at = self._heard
        by_api = api + timedelta(seconds=self._clock.monotonic() - at)
        return by_api if abs(own - by_api) > RESET_GRACE else own

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    async def ask(self) -> None:
        """Request the API's time and note it, if the API tells it."""
        self.hear(await self._ask())

    async def is_another_day(self, day: date | None) -> bool:
        """Whether the quota day is not `day`. Requests the API's time if no answer has given it yet."""
        if self._heard is None:
            await self.ask()
        return day is not None and quota_day(self.now()) != day

    async def seconds_to_another_day(self, day: date, margin: timedelta) -> float:
        """As `quota.seconds_to_another_day`, by the API's time, since a suspended machine counts no seconds."""
        await self.ask()
        return seconds_to_another_day(self.now(), day, margin)

    def hear(self, api: datetime | None) -> None:
        """Note the API's time `api`, as an answer gave it; warn once where the machine's clock is far off."""
        if api is None:
            return
        self._heard = api, self._clock.monotonic()
        ahead = self._clock.now() - api
        if (far_off := abs(ahead) > RESET_GRACE) and not self._far_off:
            how = "ahead of" if ahead > timedelta() else "behind"
            log.warning(
                "this machine's clock is %.0f minutes %s the API's: quota days go by the API's. "
                "Let it set its clock by NTP (timedatectl set-ntp true)",
                abs(ahead).total_seconds() / 60,
                how,
            )
        self._far_off = far_off
