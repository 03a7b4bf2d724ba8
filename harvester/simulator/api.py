"""The API's answers to calls: validation, quota, faults and content, without a network."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .answers import GOOD, QUOTA, REFUSED, Answer, Counts, error_answer, faulty
from .clock import SimulatedClock
from .content import Content
from .errors import ERRORS, ErrorAnswer, unknown_part
from .faults import FAULT_NAMES, FaultLevel, FaultPlan
from .ids import make_ids
from .quota import MinuteLimit, QuotaBook, pacific_day
from .render import render_list, render_statistics
from .settings import SimulatorSettings
from .templates import PARTS

IDS_PER_CALL = 50
STATISTICS_DAILY_UNITS = 10_000
# Parts that the API knows, but which are always empty here.
_OTHER_PARTS = frozenset(
    (
        *("fileDetails", "id", "liveStreamingDetails", "localizations", "monetizationDetails", "player"),
        *("paidProductPlacementDetails", "processingDetails", "projectDetails", "recordingDetails", "suggestions"),
    )
)
_STATISTICS_PARTS = frozenset({"contentDetails", "id", "snippet", "statistics"})


@dataclass(frozen=True)
class Call:
    """A request to `videos.list` or `videos.batchGetStats`."""

    ids: list[str]
    parts: list[str]
    key: str | None
    gzipped: bool
    pretty: bool
    statistics: bool = False


class Api:
    """Answers calls and counts them."""

    def __init__(self, settings: SimulatorSettings, clock: SimulatedClock) -> None:
        self.clock = clock
        self.content = Content(settings.seed, settings.missing_share)
        self.plan = FaultPlan(settings.faults, settings.seed)
        self.quota = QuotaBook(settings.daily_units, settings.units_per_call)
        self.statistics_quota = QuotaBook(STATISTICS_DAILY_UNITS, units_per_call=1)
        self.counts = Counts()
        self._settings = settings
        self._minute = MinuteLimit(settings.per_minute_calls)
        self._scripted: deque[str] = deque()
        self._attempts: dict[int, int] = {}
        # from another catalogue, so that nobody asked for it
        other = settings.seed + 1
        self._unexpected = Content(other, missing_share=0).resource(next(make_ids(other, 1))) or {}

    def set_level(self, level: FaultLevel) -> None:
        """Change the level of faults. Raises ValueError for an unknown one."""
        self.plan = FaultPlan(level, self._settings.seed)

    def script(self, names: Iterable[str]) -> None:
        """Answer the next calls with these faults, in order. Raises ValueError for an unknown one."""
        names = list(names)
        if unknown := set(names) - FAULT_NAMES:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        self._scripted.extend(names)

    def spend(self, units: int) -> None:
        """Spend units of today's quota, as another user of the key."""
        self.quota.spend(pacific_day(self.clock.now()), units)

    def report(self) -> dict[str, Any]:
        """Return the clock and the counts, for JSON."""
        days = {"days": self.quota.report(), "statistics_days": self.statistics_quota.report()}
        return {"now": self.clock.now().isoformat(), **days, **self.counts.report()}

    def answer(self, call: Call) -> Answer:
        """Return the answer to `call`, charged to the day if the project is known."""
        now = self.clock.now()
        if (error := self._key_error(call)) is not None:
            return error_answer(error, REFUSED, gzipped=call.gzipped)
        if (error := self._quota_error(call, now)) is not None:
            return error_answer(error, QUOTA, gzipped=call.gzipped)
        if (error := _request_error(call)) is not None:
            return error_answer(error, REFUSED, gzipped=call.gzipped)
        if not call.statistics:
            self.counts.asked(call.ids)
        if not self._minute.allows(now):
            return error_answer(ERRORS["429_per_minute"], "429_per_minute", gzipped=call.gzipped)
        return self._list(call, now)

    def _list(self, call: Call, now: datetime) -> Answer:
        fault, outcome = self._fault(call.ids)
        if fault in ERRORS:
            return error_answer(ERRORS[fault], outcome, gzipped=call.gzipped)
        render = render_statistics if call.statistics else render_list
        body = render(self.content, call.ids, call.parts, gzipped=call.gzipped, pretty=call.pretty)
        good = Answer(200, body, GOOD, gzipped=call.gzipped)
        return good if fault is None else faulty(fault, good, now, self._unexpected)

    def _key_error(self, call: Call) -> ErrorAnswer | None:
        if not call.key:
            return ERRORS["403_no_key"]
        valid_key = self._settings.valid_key
        return ERRORS["400_api_key_invalid"] if valid_key not in (None, call.key) else None

    def _quota_error(self, call: Call, now: datetime) -> ErrorAnswer | None:
        day = pacific_day(now)
        if (self.statistics_quota if call.statistics else self.quota).charge(day):
            return None
        # the API uses both forms: a client gets the other one the next day
        return ERRORS["403_quota" if day.toordinal() % 2 else "429_per_day"]

    def _fault(self, ids: list[str]) -> tuple[str | None, str]:
        """Return the fault of this answer, and how it is counted."""
        attempt = self._attempt(ids)
        if self._scripted:
            name = self._scripted.popleft()
            return name, name
        if self.plan.level == "hostile":
            for video_id in ids:
                poison = self.plan.poison_of(video_id)
                if poison is not None:
                    return poison, REFUSED if poison == "400_bad_request" else "503_poison"
        drawn = self.plan.draw(ids, attempt)
        return drawn, drawn or GOOD

    def _attempt(self, ids: list[str]) -> int:
        """Return how often this batch was asked for before."""
        if self.plan.level == "none":
            return 0
        batch = hash(tuple(ids))
        attempt = self._attempts.get(batch, 0)
        self._attempts[batch] = attempt + 1
        return attempt


def _request_error(call: Call) -> ErrorAnswer | None:
    if not call.parts:
        return ERRORS["400_missing_part"]
    for part in call.parts:
        known = part in _STATISTICS_PARTS if call.statistics else part in PARTS or part in _OTHER_PARTS
        if not known:
            return unknown_part(part)
    if not call.ids:
        return ERRORS["400_missing_parameter"]
    return ERRORS["400_invalid_filter"] if len(call.ids) > IDS_PER_CALL else None
