"""The API of a fuzzed crawl, in process: it answers by its plan, through the real classification, and counts."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from email.utils import format_datetime

from fuzz_plan import DEFINITE, PASSING, PRICE, PUSHES, Outage, Plan
from virtual_time import VirtualClock

from harvester import quota_calendar
from harvester.model import Answer, Outcome, Verdict
from harvester.youtube.classify import classify
from harvester.youtube.endpoints import VIDEOS_LIST

MAX_CALLS = 5_000
"""More than any plan can need: a crawl that asks so often will not end."""
UNANSWERED = ("timeout", "connect_failed")
_JSON = {"content-type": "application/json"}


class FuzzApi:
    def __init__(self, plan: Plan, clock: VirtualClock) -> None:
        self.plan = plan
        self.clock = clock
        self.calls = 0
        self.foreign = 0
        """Calls for ids that were never loaded."""
        self.troubles = 0
        """Faults that are no poison's."""
        self.booked: Counter[date] = Counter()
        """Calls that cost, by quota day."""
        self.refused: Counter[date] = Counter()
        """Calls refused since the day was spent."""
        self._rng = random.Random(plan.seed)
        self._passed: Counter[str] = Counter()
        self._defined: Counter[str] = Counter()
        self._lied_at = -1e9
        self._ids = set(plan.ids)

    def outage(self, seconds: float) -> Outage | None:
        return next((one for one in self.plan.outages if one.start <= seconds < one.end), None)

    def trouble_in(self, start: float, end: float, *kinds: str) -> bool:
        """Whether an outage (of these kinds) lay within that time."""
        return any(o.start <= end and o.end >= start and (not kinds or o.kind in kinds) for o in self.plan.outages)

    async def fetch(self, ids: Sequence[str], page_token: str | None = None) -> Outcome:
        self.calls += 1
        assert self.calls <= MAX_CALLS, "the crawl asks without end"
        assert 0 < len(ids) <= 50
        self.foreign += not self._ids.issuperset(ids)
        day = quota_calendar.quota_day(self.clock.true_now())
        kind = self._kind(ids, day)
        if kind != "connect_failed":
            self.booked[day] += 1
        await asyncio.sleep(self._rng.uniform(0.001, self.plan.latency_seconds))  # pause: in virtual time
        if kind in UNANSWERED:
            return Outcome(Verdict.TRY_AGAIN, kind, sent=kind == "timeout")
        answer = self._answer(kind, ids)
        dated = {**answer.headers, "date": format_datetime(self.clock.true_now(), usegmt=True)}
        return classify(replace(answer, headers=dated), ids, self.clock.now())

    async def time(self) -> datetime | None:
        """It is told in every outage in which there is an answer at all."""
        outage = self.outage(self.clock.monotonic())
        return None if outage and outage.kind in UNANSWERED else self.clock.true_now().replace(microsecond=0)

    def _kind(self, ids: Sequence[str], day: date) -> str:
        seconds, rng, plan = self.clock.monotonic(), self._rng, self.plan
        if (outage := self.outage(seconds)) is not None:
            self.troubles += 1
            return outage.kind
        elsewhere = sum(
            units for at, units in plan.spent_elsewhere if at <= seconds and quota_calendar.quota_day(plan.start) == day
        )
        if (self.booked[day] - self.refused[day]) * PRICE + elsewhere + PRICE > plan.daily_units:
            self.refused[day] += 1
            self.troubles += 1
            return "403_quota" if day.toordinal() % 2 else "429_per_day"
        if rng.random() < plan.pushes:
            self.troubles += 1
            return rng.choice(PUSHES)
        if rng.random() < plan.quota_untrue and seconds - self._lied_at > 300:
            self._lied_at = seconds
            self.troubles += 1
            return "403_quota"
        return next((plan.poison[i] for i in ids if i in plan.poison), None) or self._passing(ids)

    def _passing(self, ids: Sequence[str]) -> str:
        """No id meets so many that it would have to be taken for one at fault.

        Nor, where patience is short, so many that two probes with it in a row would show an outage.
        """
        rng, plan = self._rng, self.plan
        most = max(1, plan.max_attempts - 1) if plan.patience_seconds > 100 else 1
        spared = any(self._defined[i] for i in ids)
        if rng.random() < plan.passing and not spared and max(self._passed[i] for i in ids) < most:
            self._passed.update(ids)
            self.troubles += 1
            return rng.choice(PASSING)
        if rng.random() < plan.definite and not any(self._defined[i] or self._passed[i] for i in ids):
            self._defined.update(ids)
            self.troubles += 1
            return rng.choice(DEFINITE)
        return "good"

    def _answer(self, kind: str, ids: Sequence[str]) -> Answer:
        items = [{"id": video_id} for video_id in ids if video_id not in self.plan.missing]
        match kind:
            case "good":
                return _page(items)
            case "id_twice":
                return _page([{"id": ids[-1]}, *items, {"id": ids[-1]}])
            case "unexpected_id":
                return _page([*items, {"id": "zzzzzzzzzzz"}])
            case "bad_item":
                return _page([*items, {"no": "id"}])
            case "cut_json":
                return Answer(200, _JSON, _page(items).body[:-5])
        return _ERRORS[kind]


class Heard:
    """The API for one run. `blind` are its calls, by the API's day, of before it had heard what time it is."""

    def __init__(self, api: FuzzApi, blind: Counter[date]) -> None:
        self._api = api
        self._blind = blind
        self._heard_at: float | None = None

    async def fetch(self, ids: Sequence[str], page_token: str | None = None) -> Outcome:
        clock = self._api.clock
        # A claim of the same instant may have been made before; a `Date` has no parts of a second.
        day, earlier = (quota_calendar.quota_day(clock.true_now() - timedelta(seconds=back)) for back in (0, 1))
        if self._heard_at is None or clock.monotonic() <= self._heard_at or earlier < day:
            self._blind[day] += 1
        outcome = await self._api.fetch(ids)
        self._hear(outcome.answered_on)
        return outcome

    async def time(self) -> datetime | None:
        api_time = await self._api.time()
        self._hear(api_time)
        return api_time

    def _hear(self, api_time: datetime | None) -> None:
        if api_time is not None and self._heard_at is None:
            self._heard_at = self._api.clock.monotonic()


def _page(items: list[dict[str, str]]) -> Answer:
    return Answer(200, _JSON, json.dumps({"kind": VIDEOS_LIST.answer_kind, "items": items}).encode())


def _error(status: int, reason: str, message: str = "It was not to be.", retry_after: str | None = None) -> Answer:
    body = {"error": {"code": status, "message": message, "errors": [{"reason": reason}]}}
    headers = _JSON | ({"retry-after": retry_after} if retry_after else {})
    return Answer(status, headers, json.dumps(body).encode())


_ERRORS = {
    "html_200": Answer(200, {"content-type": "text/html"}, b"<html>Sign in</html>"),
    "html_502": Answer(502, {"content-type": "text/html"}, b"<html>Bad gateway</html>"),
    "404": Answer(404, {"content-type": "text/plain"}, b"not found"),
    "400": _error(400, "badRequest"),
    "503": _error(503, "backendError"),
    "429": _error(429, "rateLimitExceeded"),
    "429_retry_after": _error(429, "rateLimitExceeded", retry_after="40"),
    "429_for_900_s": _error(429, "rateLimitExceeded", retry_after="900"),
    "403_quota": _error(403, "quotaExceeded"),
    "429_per_day": _error(429, "rateLimitExceeded", message="Quota exceeded for 'Queries per day'"),
}
