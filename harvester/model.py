"""Domain types, shared by every room: frozen, without I/O."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal, NamedTuple, TypeAlias

from harvester.listing_types import Channel, ListingCall, Page
from harvester.support.gzip_body import BodyError, unpack

BATCH_SIZE = 50
"""Most ids in one videos.list call. 51 are refused with HTTP 400, and cost."""


class VideoState(enum.IntEnum):
    """The state of an id. The ledger stores the numbers."""

    PENDING = 0
    CLAIMED = 1
    FETCHED = 2
    MISSING = 3
    FAILED = 4
    INVALID = 5

    @property
    def label(self) -> str:
        """The state's name in lower case, as in JSON and messages."""
        return self.name.lower()


class CallState(enum.StrEnum):
    """The state of a call: `open` while under way, then closed once, as one of the others."""

    OPEN = "open"
    OK = "ok"
    FAILED = "failed"
    ABANDONED = "abandoned"


Bucket: TypeAlias = Literal["default", "statistics"]
"""The API's daily quotas, as the ledger names them. `statistics` is that of videos.batchGetStats."""


class BatchKind(enum.Enum):
    """What a batch is sent for, and so what settling it means."""

    HARVEST = "harvest"
    """Pending ids, claimed until they are settled as fetched or missing."""
    REFRESH = "refresh"
    """The ids of a stored response, which stay fetched until the answer replaces that response."""
    STATISTICS = "statistics"
    """The ids of a stored response, whose statistics are stored beside that response."""
    LISTING = "listing"
    """A channel or a page of a playlist, whose ids are added to the ledger."""

    @property
    def claims_ids(self) -> bool:
        """Whether the ids are claimed during the call, so that a batch at fault can be split, and a single id fail."""
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
    """The quota bucket charged."""
    of_call: int | None = None
    """The call that fetched the ids; None where they are claimed."""
    listing: ListingCall | None = None
    """Of kind LISTING: what is asked for."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_single_id(self) -> bool:
        """Whether the batch is a single claimed id, which can fail but not be split."""
        return len(self.ids) == 1 and self.kind.claims_ids

    def by_next_call(self, call_id: int, budget: Budget) -> Batch:
        """The same batch with its next call."""
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
    """Units that may be reserved on one quota day: `limit` in all, `units_per_call` for each call."""

    day: date
    limit: int
    units_per_call: int
    parts: str | None = None
    """The parts that its calls ask for, as in `YouTubeSettings.asked`. The ledger notes them with each call."""
    endpoint: str = "videos.list"
    bucket: Bucket = "default"


class Verdict(enum.Enum):
    """What an answer means for the crawl."""

    GOOD = "good"
    TRY_AGAIN = "try_again"
    """A transient fault: back off and retry."""
    SLOW_DOWN = "slow_down"
    """Calls came too fast: send fewer at once, and later."""
    QUOTA_DOUBTED = "quota_doubted"
    """The day looks spent. Short bursts of calls have got the same answer, so one more call is to confirm it."""
    DAY_SPENT = "day_spent"
    MISCONFIGURED = "misconfigured"
    """The key, a setting or this machine's network is at fault: every call fails until a person fixes it."""
    BATCH_REFUSED = "batch_refused"
    """The API refuses these ids: sending the same batch again only costs units."""
    UNACCEPTABLE = "unacceptable"
    """A complete answer that does not match these ids: the API is up, and some id of the batch causes it."""


class Body(NamedTuple):
    """A response as received: `encoding` is `gzip` or `identity`, `sha256` is of `data`."""

    data: bytes
    encoding: str
    raw_bytes: int
    """Length of the decompressed body."""
    sha256: bytes
    item_count: int

    def verify(self) -> None:
        """Raise BodyError where the checksum differs from the one noted, or the encoding is unknown."""
        if self.encoding not in ("gzip", "identity"):
            raise BodyError("bad_encoding", f"its encoding {self.encoding!r} is unknown")
        if hashlib.sha256(self.data).digest() != self.sha256:
            raise BodyError("bad_checksum", "it does not match its checksum")

    def raw(self) -> bytes:
        """The decompressed body, verified. Raises BodyError where checksum or length differ from those noted."""
        self.verify()
        raw = unpack(self.data, self.encoding, self.raw_bytes)
        if len(raw) != self.raw_bytes:
            raise BodyError("cut_body", f"it is {len(raw)} bytes long, not {self.raw_bytes}")
        return raw


@dataclass(frozen=True, slots=True)
class Answer:
    """The HTTP response to one call. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """A classified answer, or the lack of one."""

    verdict: Verdict
    reason: str
    """A short word for logs, counts and `retry --reason`: `backendError`, `timeout`, `cut_body`…"""
    http_status: int | None = None
    message: str = ""
    """The API's own message, for people; never contains the key."""
    retry_after_seconds: float | None = None
    sent: bool = True
    """False where the request certainly never reached the API, and so cost nothing."""
    body: Body | None = None
    found: frozenset[str] = frozenset()
    """The ids of a good answer's items."""
    listed: Channel | Page | None = None
    """Of a good answer about a listing; None where there is nothing to list."""
    done_with: Callable[[], None] = field(default=lambda: None, compare=False, repr=False)
    """Called once the body is stored or dropped. A large body keeps other large ones waiting until then."""
    answered_on: datetime | None = None
    """The time at which the API answered, by its own clock."""


class GiveBack(enum.Enum):
    """What happens to the ids of a call that brought nothing."""

    RELEASE = "release"
    SPLIT = "split"
    """Make the ids pending again, in two halves that are claimed apart."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """The identity of a process, by which another process can tell whether it is still alive."""

    host: str
    boot: str
    """Identifies the boot and the process namespace on the host."""
    pid: int
    started: str
    """The start time of the process by the operating system, which differs where a pid is reused."""


@dataclass(frozen=True, slots=True)
class QuotaDay:
    """The counts of one quota day in the ledger."""

    day: date
    units_limit: int = 0
    units: int = 0
    calls: int = 0
    ok: int = 0
    failed: int = 0
    abandoned: int = 0
    fetched: int = 0
    """Ids settled as fetched by the calls of the day, without refreshes. `missing` likewise."""
    missing: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0
    closed_by_server_at: datetime | None = None
    elsewhere: int = 0
    """Units spent by others, as far as a person entered them."""
    listed: int = 0
    """Good calls for listings, which bring no response."""

    def remaining(self, limit: int) -> int:
        """The units of `limit` that may still be spent."""
        return 0 if self.closed_by_server_at else max(0, limit - self.units - self.elsewhere)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A row of `runs`."""

    id: int
    host: str
    pid: int
    started_at: datetime
    lease_until: datetime
    ended_at: datetime | None
    reason: str | None


class RunCalls(NamedTuple):
    """Calls that a run has made, and their units."""

    calls: int = 0
    units: int = 0


@dataclass(frozen=True, slots=True)
class FaultCount:
    """Calls that brought nothing for one reason, their units, and when the newest of them ended."""

    reason: str
    calls: int
    units: int
    last_at: datetime


class FailedId(NamedTuple):
    """A failed id, and how its last call ended."""

    video_id: str
    reason: str
    http_status: int | None
    failed_at: datetime
    attempts: int
    """Calls that the id was part of."""


class Stored(NamedTuple):
    """Counts of stored responses, the fetched ids in them, and their bytes, plain and as stored."""

    responses: int = 0
    videos: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0

    def plus(self, other: Stored) -> Stored:
        return Stored(*map(sum, zip(self, other, strict=True)))


NOTHING_STORED = Stored()


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of the whole ledger."""

    videos: dict[VideoState, int]
    days: tuple[QuotaDay, ...]
    """Every quota day on which a call was made, oldest first."""
    pruned: Stored = NOTHING_STORED
    """The responses of those days that were pruned."""

    @property
    def total(self) -> int:
        return sum(self.videos.values())

    @property
    def asked_for(self) -> int:
        """Ids that can be sent to the API: all but the invalid ones."""
        return self.total - self.videos[VideoState.INVALID]

    @property
    def settled(self) -> int:
        """Ids that are fetched, missing or failed."""
        states = (VideoState.FETCHED, VideoState.MISSING, VideoState.FAILED)
        return sum(self.videos[state] for state in states)

    @property
    def calls(self) -> int:
        return sum(day.calls for day in self.days)

    @property
    def responses(self) -> int:
        """Stored responses."""
        return sum(day.ok - day.listed for day in self.days) - self.pruned.responses

    def day(self, day: date) -> QuotaDay | None:
        """Return the counts of that quota day, if any call was made on it."""
        return next((d for d in self.days if d.day == day), None)


class StoredResponse(NamedTuple):
    """One stored body and the call that brought it."""

    call_id: int
    first_position: int
    body: Body
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class ResponseSize:
    """The sizes of a stored response, known without reading its body, in bytes, plain and as stored."""

    first_position: int
    raw_bytes: int
    stored_bytes: int
    sha256: bytes
    """Of the body as it is stored."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of load positions from `first` to `last`, both included. `last` may lie past the end."""

    first: int = 1
    last: int = 2**62

    def __contains__(self, position: int) -> bool:
        return self.first <= position <= self.last


EVERYTHING = Span()


@dataclass(frozen=True, slots=True)
class Addition:
    """The effect of adding one chunk of ids to the ledger."""

    new: int
    new_invalid: int
    known: Sequence[tuple[int, bool]]
    """Position of each id that an earlier load had brought, and whether it is invalid."""


@dataclass(frozen=True, slots=True)
class IdRecord:
    """The record of one id in the ledger."""

    position: int
    state: VideoState
    call_id: int | None
