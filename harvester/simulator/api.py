"""The API's answers to calls: validation, quota, faults and content, without a network."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from .answers import GOOD, QUOTA, REFUSED, Answer, Counts
from .clock import SimulatedClock
from .content.ids import make_ids
from .content.render import render_answer, render_list, render_statistics
from .content.templates import PARTS
from .content.videos import Content
from .error_bodies import ERRORS, unknown_part
from .faults import FAULT_NAMES, FaultLevel, FaultPlan, faulty
from .listings import Listings, Refusal, page_of
from .quota import QuotaBook, pacific_day
from .settings import SimulatorSettings

IDS_PER_CALL = 50
STATISTICS_DAILY_UNITS = 10_000
VIDEOS, STATISTICS = "videos.list", "videos.batchGetStats"
CHANNELS, PLAYLIST_ITEMS = "channels.list", "playlistItems.list"
# Parts that the API knows, but which are always empty here.
_OTHER_PARTS = frozenset(
    (
        *("fileDetails", "id", "liveStreamingDetails", "localizations", "monetizationDetails", "player"),
        *("paidProductPlacementDetails", "processingDetails", "projectDetails", "recordingDetails", "suggestions"),
    )
)
_PARTS = {
    VIDEOS: _OTHER_PARTS | set(PARTS),
    STATISTICS: frozenset({"contentDetails", "id", "snippet", "statistics"}),
    CHANNELS: frozenset(
        (
            *("auditDetails", "brandingSettings", "contentDetails", "contentOwnerDetails", "id", "localizations"),
            *("snippet", "statistics", "status", "topicDetails"),
        )
    ),
    PLAYLIST_ITEMS: frozenset({"contentDetails", "id", "snippet", "status"}),
}


@dataclass(frozen=True)
class Call:
    """A request to one method of the API. `query` has its parameters, the last value of each."""

    method: str
    ids: list[str]
    parts: list[str]
    query: Mapping[str, str]
    key: str | None
    gzipped: bool
    pretty: bool

    @property
    def asks_for(self) -> list[str]:
        """What distinguishes this call from others of its method."""
        names = ("forHandle", "forUsername", "playlistId", "pageToken")
        return self.ids or [self.query.get(name, "") for name in names]


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
        self._first_day = pacific_day(clock.now())
        self._listings = Listings(self.content, settings.seed, self._first_day, settings.page_token_days)
        self._minutes: Counter[int] = Counter()
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
        day = pacific_day(now)
        try:
            self._check_key(call)
            self._charge(call, day)
            self.content.day = (day - self._first_day).days
            _check_request(call)
            listed = self._listed(call)
            if call.method == VIDEOS:
                self.counts.asked(call.ids)
            self._check_pace(now)
        except Refusal as refusal:
            return refusal.answer
        return self._answer(call, listed, now)

    def _listed(self, call: Call) -> dict[str, Any] | None:
        """Return channels or a page of a playlist, None for calls about videos. Raises Refusal."""
        if call.method == CHANNELS:
            return self._listings.channels(call.ids, call.query, call.parts)
        return self._listings.page(call.query, call.parts) if call.method == PLAYLIST_ITEMS else None

    def _answer(self, call: Call, listed: dict[str, Any] | None, now: datetime) -> Answer:
        fault, outcome = self._fault(call)
        if fault in ERRORS:
            return replace(ERRORS[fault], outcome=outcome)
        if listed is not None:
            body = render_answer(self.content.style, listed, pretty=call.pretty)
        else:
            render = render_statistics if call.method == STATISTICS else render_list
            body = render(self.content, call.ids, call.parts, pretty=call.pretty)
        good = Answer(200, body, GOOD, page=page_of(listed) if listed else None)
        return good if fault is None else faulty(fault, good, now, self._unexpected)

    def _check_key(self, call: Call) -> None:
        if not call.key:
            raise Refusal(ERRORS["403_no_key"])
        if self._settings.valid_key not in (None, call.key):
            raise Refusal(ERRORS["400_api_key_invalid"])

    def _charge(self, call: Call, day: date) -> None:
        quota = self.statistics_quota if call.method == STATISTICS else self.quota
        units = quota.units_per_call if call.method in (VIDEOS, STATISTICS) else 1
        if not quota.charge(day, units):
            # the API uses both forms: a client gets the other one the next day
            error = ERRORS["403_quota" if day.toordinal() % 2 else "429_per_day"]
            raise Refusal(replace(error, outcome=QUOTA))
        self.counts.charge(call.method, units)

    def _check_pace(self, now: datetime) -> None:
        """Count a call. Raises Refusal if its clock minute is full."""
        minute, most = int(now.timestamp() // 60), self._settings.per_minute_calls
        self._minutes[minute] += 1
        if most is not None and self._minutes[minute] > most:
            raise Refusal(replace(ERRORS["429_per_minute"], outcome="429_per_minute"))

    def _fault(self, call: Call) -> tuple[str | None, str]:
        """Return the fault of this answer, and how it is counted."""
        asks_for = call.asks_for
        attempt = self._attempt(asks_for)
        if self._scripted:
            name = self._scripted.popleft()
            return name, name
        if self.plan.level == "hostile":
            for video_id in call.ids if call.method != CHANNELS else ():
                poison = self.plan.poison_of(video_id)
                if poison is not None:
                    return poison, REFUSED if poison == "400_bad_request" else "503_poison"
        drawn = self.plan.draw(asks_for, attempt)
        return drawn, drawn or GOOD

    def _attempt(self, asks_for: list[str]) -> int:
        """Return how often this was asked for before."""
        if self.plan.level == "none":
            return 0
        batch = hash(tuple(asks_for))
        attempt = self._attempts.get(batch, 0)
        self._attempts[batch] = attempt + 1
        return attempt


def _check_request(call: Call) -> None:
    """Raise Refusal for unknown parts, and for calls about videos that name none or too many."""
    if not call.parts:
        raise Refusal(ERRORS["400_missing_part"])
    for part in call.parts:
        if part not in _PARTS[call.method]:
            raise Refusal(unknown_part(part))
    if call.method in (VIDEOS, STATISTICS) and not call.ids:
        raise Refusal(ERRORS["400_missing_parameter"])
    if len(call.ids) > IDS_PER_CALL:
        raise Refusal(ERRORS["400_invalid_filter"])
