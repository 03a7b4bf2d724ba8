"""The words of the house as types: frozen, pure, and shared by every room."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal, NamedTuple, TypeAlias

from harvester.support.gzip_body import BodyError, decompress

BATCH_SIZE = 50
"""Most ids in one videos.list call; 51 is refused with HTTP 400, and costs."""


class VideoState(enum.IntEnum):
    """The one state of an id. The numbers are what the ledger stores."""

    PENDING = 0
    CLAIMED = 1
    FETCHED = 2
    MISSING = 3
    FAILED = 4
    INVALID = 5

    @property
    def label(self) -> str:
        return self.name.lower()


class CallState(enum.StrEnum):
    """`open` is under way; a call is closed once, as one of the others."""

    OPEN = "open"
    OK = "ok"
    FAILED = "failed"
    ABANDONED = "abandoned"


Bucket: TypeAlias = Literal["default", "statistics"]
"""The API's daily quotas, as the ledger names them: that of videos.batchGetStats, and that of all other endpoints."""


class BatchKind(enum.Enum):
    """What a batch is asked for, and so what settling it means."""

    HARVEST = "harvest"
    """Pending ids, claimed until they are settled as fetched or missing."""
    REFRESH = "refresh"
    """The ids of a stored response, which stay fetched until the answer replaces that response."""
    STATISTICS = "statistics"
    """The same, but the answer is stored beside that response."""

    @property
    def claims_ids(self) -> bool:
        """Whether its ids are claimed meanwhile, so that a batch at fault can be split, and an id alone fail."""
        return self is BatchKind.HARVEST


@dataclass(frozen=True, slots=True)
class Batch:
    """Ids claimed for one call, in load order. `call_id` is the fencing token: only its owner may settle it."""

    call_id: int
    quota_day: date
    units: int
    attempt: int
    positions: tuple[int, ...]
    ids: tuple[str, ...]
    asked_before: int = 0
    """The most calls that any of these ids was part of before this one."""
    kind: BatchKind = BatchKind.HARVEST
    bucket: Bucket = "default"
    """What its units are spent of."""
    of_call: int | None = None
    """The call that fetched its ids; None where they are claimed."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_single_id(self) -> bool:
        """Whether it is an id alone, that fails where it is at fault: nothing is left to split."""
        return len(self.ids) == 1 and self.kind.claims_ids

    def by_next_call(self, call_id: int, budget: Budget) -> Batch:
        """The same ids, asked for once more."""
        return replace(
            self,
            call_id=call_id,
            quota_day=budget.day,
            units=budget.units_per_call,
            attempt=self.attempt + 1,
            asked_before=self.asked_before + 1,
        )


class Denied(enum.Enum):
    """Why a claim brought no batch."""

    NOTHING_PENDING = "nothing_pending"
    CLAIM_LOST = "claim_lost"
    """The claim that was to be renewed had been taken back."""
    BUDGET_SPENT = "budget_spent"
    DAY_CLOSED = "day_closed"


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be reserved on one quota day: `limit` units in all, `units_per_call` for each call."""

    day: date
    limit: int
    units_per_call: int
    parts: str | None = None
    """What its calls ask for, as `YouTubeSettings.asked` has it: noted in each of them, as is the endpoint."""
    endpoint: str = "videos.list"
    bucket: Bucket = "default"


class Verdict(enum.Enum):
    """What an answer means for the crawl."""

    GOOD = "good"
    TRY_AGAIN = "try_again"
    """A passing fault: back off and ask again."""
    SLOW_DOWN = "slow_down"
    """Asked too fast: fewer at once, and later."""
    QUOTA_DOUBTED = "quota_doubted"
    """The day looks spent; short bursts have been seen to answer so, so it is worth one more question."""
    DAY_SPENT = "day_spent"
    KEY_REFUSED = "key_refused"
    """The key, a setting or this machine's network is at fault: every call would end so until a person fixes it."""
    BATCH_REFUSED = "batch_refused"
    """The API refuses these ids: asking the same again only costs."""
    UNACCEPTABLE = "unacceptable"
    """A whole answer of the API that is not one to these ids: the API is up, and some id of the batch brings it."""


class Body(NamedTuple):
    """A response as received: `encoding` is `gzip` or `identity`, `sha256` is of `data`."""

    data: bytes
    encoding: str
    raw_bytes: int
    """Length once decompressed."""
    sha256: bytes
    item_count: int

    def raw(self) -> bytes:
        """The body as the API meant it. Raises BodyError where it is not what was noted of it."""
        if hashlib.sha256(self.data).digest() != self.sha256:
            raise BodyError("bad_checksum", "it does not match its checksum")
        raw = decompress(self.data, self.encoding, self.raw_bytes)
        if len(raw) != self.raw_bytes:
            raise BodyError("cut_body", f"it is {len(raw)} bytes long, not {self.raw_bytes}")
        return raw


@dataclass(frozen=True, slots=True)
class Answer:
    """What the wire brought for one call. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, or its absence, once sorted."""

    verdict: Verdict
    reason: str
    """A short word for logs, counts and `retry --reason`: `backendError`, `timeout`, `cut_body`…"""
    http_status: int | None = None
    message: str = ""
    """The API's own sentence, for people; never holds the key."""
    retry_after_seconds: float | None = None
    sent: bool = True
    """False where the request surely never reached the API, so that it cost nothing."""
    body: Body | None = None
    found: frozenset[str] = frozenset()
    """The ids of a good answer's items."""
    done_with: Callable[[], None] = field(default=_nothing, compare=False, repr=False)
    """To be called once the body is stored or dropped: a large one holds up other large ones until then."""
    answered_on: datetime | None = None
    """What time it was at the API, by its own clock."""


class GiveBack(enum.Enum):
    """What becomes of the ids of a call that brought nothing."""

    RELEASE = "release"
    SPLIT = "split"
    """Pending again, in two halves that are asked apart."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """Who runs: enough to tell later whether that process still lives."""

    host: str
    boot: str
    """Tells boots and process namespaces of one host apart."""
    pid: int
    started: str
    """The operating system's start time of the process: a reused pid differs."""


@dataclass(frozen=True, slots=True)
class QuotaDay:
    """What the ledger counts of one quota day."""

    day: date
    units_limit: int = 0
    units: int = 0
    calls: int = 0
    ok: int = 0
    failed: int = 0
    abandoned: int = 0
    fetched: int = 0
    """Ids that it settled so; not those of a refresh, which were settled before. So with `missing`."""
    missing: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0
    closed_by_server_at: datetime | None = None
    elsewhere: int = 0
    """Units that others spent, as far as a person entered them."""

    def remaining(self, limit: int) -> int:
        """What may still be spent of `limit` units."""
        return 0 if self.closed_by_server_at else max(0, limit - self.units - self.elsewhere)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One process's go at it."""

    id: int
    host: str
    pid: int
    started_at: datetime
    lease_until: datetime
    ended_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class FaultCount:
    """Calls that brought nothing for one reason, their units, and when the newest of them ended."""

    reason: str
    calls: int
    units: int
    last_at: datetime


class FailedId(NamedTuple):
    """An id that was given up, and how its last call ended."""

    video_id: str
    reason: str
    http_status: int | None
    failed_at: datetime
    attempts: int
    """Calls that it was part of."""


class Stored(NamedTuple):
    """How many stored responses, the fetched ids in them, and their bytes, plain and as stored."""

    responses: int = 0
    videos: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0

    def plus(self, other: Stored) -> Stored:
        return Stored(*map(sum, zip(self, other, strict=True)))


NOTHING_STORED = Stored()


@dataclass(frozen=True, slots=True)
class Progress:
    """The ledger at a glance."""

    videos: dict[VideoState, int]
    days: tuple[QuotaDay, ...]
    """Every quota day on which a call was made, oldest first."""
    pruned: Stored = NOTHING_STORED
    """What was deleted for its age of what those days stored."""

    @property
    def total(self) -> int:
        return sum(self.videos.values())

    @property
    def asked_for(self) -> int:
        """Ids that can be asked for: all but the invalid ones."""
        return self.total - self.videos[VideoState.INVALID]

    @property
    def settled(self) -> int:
        states = (VideoState.FETCHED, VideoState.MISSING, VideoState.FAILED)
        return sum(self.videos[state] for state in states)

    @property
    def calls(self) -> int:
        return sum(day.calls for day in self.days)

    def day(self, day: date) -> QuotaDay | None:
        return next((d for d in self.days if d.day == day), None)


class PartsAsked(NamedTuple):
    """How many of the stored responses were asked for with these parts."""

    parts: str | None
    """As `YouTubeSettings.asked`; None in calls of versions that did not note them."""
    responses: int


class OldResponse(NamedTuple):
    """The call of a response that is to be deleted, and over how many positions its ids lie."""

    call_id: int
    position_span: int


class StoredResponse(NamedTuple):
    """One stored body and the call that brought it."""

    call_id: int
    first_position: int
    body: Body
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class ResponseSize:
    """What is known of a stored response without reading its body. Sizes are bytes, plain and as stored."""

    first_position: int
    raw_bytes: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Span:
    """Positions of the load order, from `first` to `last`, both included. `last` may lie past the end."""

    first: int = 1
    last: int = 2**62

    def __contains__(self, position: int) -> bool:
        return self.first <= position <= self.last


EVERYTHING = Span()


@dataclass(frozen=True, slots=True)
class Addition:
    """What one chunk of ids did to the ledger."""

    new: int
    new_invalid: int
    known: Sequence[tuple[int, bool]]
    """Position of each id that an earlier load had brought, and whether it is invalid."""


@dataclass(frozen=True, slots=True)
class IdRecord:
    """What the ledger holds of one id."""

    position: int
    state: VideoState
    call_id: int | None
