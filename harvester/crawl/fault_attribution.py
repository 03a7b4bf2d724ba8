"""Decides whether a failure is the fault of a batch or of the API: suspect ids, and probes of the API.

A batch at fault is bisected: `crawler.py` sends its halves, which `ledger/transactions/failed_calls.py` makes.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from harvester.crawl.concurrency_controller import ConcurrencyController
from harvester.ledger.ledger import Ledger
from harvester.model import Batch, BatchKind, Outcome
from harvester.support.gzip_body import BodyError
from harvester.youtube.endpoints import VIDEOS_LIST

PROBE = "probe"
"""The reason of a call that asked for an id known to be good, to see whether the API answers at all."""
MAX_UNCONFIRMED_SPLITS = 3
"""How many halves in a row may be split at their first fault before the API has to give a good answer."""

MAX_FAILED_PROBES = 2
"""Probes that fail in a row until the API counts as down."""
FAULTS_TO_FAIL = 2
"""Confirmed faults until a single id fails. One may be an outage that began after the good answer."""

_LOOKED_AT = 3
"""Stored responses to search for a known id."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How a batch has failed in this run. Pushback and failed probes are not counted."""

    since: float | None = None
    """When the batch failed: a good answer to a call sent later shows that the API works. None: no failure yet."""
    number: int = 0
    confirmed: int = 0
    """Faults that came after a good answer to another call since the fault before."""
    refused: int = 0
    """Faults that were refusals."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A batch that is to be sent again, and why."""

    batch: Batch
    fault: Outcome
    wait_seconds: float
    faults: Faults
    needs_probe: bool = False
    """Whether to find out first that the API answers anything at all."""
    probe_succeeded: bool = False
    """Whether a probe has been answered since the fault."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call under way."""

    batch: Batch
    sent_at: float
    faults: Faults
    api_known_up: bool
    """Whether the API had answered another call between the last fault and the sending of this call."""
    probe: bool
    """Whether the call asks for a known id instead of its batch."""


class Attribution:
    """What a run has observed of batches and of the API, to attribute each failure to one of them.

    Times are the clock's monotonic seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        controller: ConcurrencyController,
        max_attempts: int,
        patience_seconds: float,
        well_known_id: str = VIDEOS_LIST.well_known_id,
    ) -> None:
        """`well_known_id` is for probes by a run that knows no other id. Any valid answer will do."""
        self._ledger = ledger
        self._controller = controller
        self._max_attempts = max_attempts
        self._patience_seconds = patience_seconds
        self._well_known_id = well_known_id
        self._suspects: set[int] = set()
        self._answered: str | None = None
        self._count_anew()

    def good(self, batch: Batch, outcome: Outcome) -> None:
        """Note a good answer to `batch`: none of its ids is at fault."""
        self._count_anew()
        self._answered = next(iter(outcome.found), batch.ids[0])
        self.clear(batch)

    @property
    def answers(self) -> bool:
        """Whether this run has had a good answer."""
        return self._answered is not None

    def clear(self, batch: Batch) -> None:
        """Remove the ids of `batch`, which are settled, from the suspects."""
        if self._suspects:
            self._suspects.difference_update(batch.positions)

    def probed(self) -> None:
        """Note that the API has answered a probe."""
        self._count_anew()

    @property
    def probes_exhausted(self) -> bool:
        """Whether probes have shown that the API is down; a run without patience needs none."""
        return self.probes_failed >= MAX_FAILED_PROBES or not self._patience_seconds

    def forget(self) -> None:
        """Forget suspects and counts: a new day has begun, and halves are sent as any batch is."""
        self._suspects.clear()
        self._count_anew()

    def _count_anew(self) -> None:
        self._splits_since_good = self.refused_in_a_row = self.probes_failed = self.probes_refused = 0

    def split(self, batch: Batch) -> None:
        """Note that `batch` was split: one of its ids is at fault."""
        self._splits_since_good += 1
        self._suspects.update(batch.positions)

    def call(self, batch: Batch, retry: Retry | None, now: float) -> Call:
        """The call to send for a batch that was just claimed, for the first time or again."""
        if retry is None:
            return Call(batch, now, Faults(), api_known_up=False, probe=False)
        api_known_up = self.is_api_known_up(retry)
        doubtful = retry.needs_probe or (retry.faults.since is not None and self.is_overdue(now))
        return Call(batch, now, retry.faults, api_known_up, probe=doubtful and not api_known_up)

    def is_overdue(self, now: float) -> bool:
        """Whether every call under way has failed, and none has succeeded for `patience_seconds`."""
        return self._controller.probing and self.is_silent(now)

    def is_silent(self, now: float) -> bool:
        """Whether no call has succeeded for `patience_seconds`."""
        return self._controller.silence(now) >= self._patience_seconds

    def can_give_up(self, retry: Retry) -> bool:
        """Whether a refresh of an old response can be given up without one more call, since the API answers others."""
        return retry.needs_probe and not retry.batch.kind.claims_ids and self.is_api_known_up(retry)

    def is_api_known_up(self, retry: Retry) -> bool:
        """Whether the API has given a good answer to a call that was sent after the batch failed."""
        since = retry.faults.since
        return retry.probe_succeeded or (since is not None and self._controller.good_since(since))

    def count(self, call: Call, now: float, *, refused: bool = False) -> Faults:
        """The faults of the batch of `call`, with the one that has just come."""
        before = call.faults
        if call.probe:
            return before if before.since is not None else Faults(now)
        # For a single id, a good answer must follow its newest fault; else one after the first fault is enough.
        renewed = before.since is None or not before.number or refused or call.batch.is_single_id
        return Faults(
            now if renewed else before.since,
            before.number + 1,
            before.confirmed + call.api_known_up,
            before.refused + refused,
        )

    def is_half(self, batch: Batch) -> bool:
        """Whether `batch` is part of a batch that this run has split, and can be split further."""
        return len(batch) > 1 and batch.positions[0] in self._suspects

    def attempts_exhausted(self, batch: Batch, faults: int) -> bool:
        """Whether `batch` has had all its attempts.

        Attempts of earlier runs count too, since one short day may never be enough for all. They do not count for a
        single id, which may have been part of a larger batch then.
        """
        asked = batch.asked_before + 1 if len(batch) > 1 else 0
        return max(faults, asked) >= self._max_attempts

    def needs_probe(self, batch: Batch, faults: int) -> bool:
        """Whether the next attempt for `batch` has to follow a good answer to another call."""
        if batch.is_single_id:
            return faults + FAULTS_TO_FAIL >= self._max_attempts
        return self.is_half(batch) or self.attempts_exhausted(batch, faults)

    def is_at_fault(self, call: Call, faults: Faults) -> bool:
        """Whether the batch, not the API, caused the failure: true once other calls sent later have succeeded.

        Half of a split batch is at fault at its first failure. A single id is given up only once it has failed
        `FAULTS_TO_FAIL` times, each time after such a success. `faults` includes the newest one.
        """
        batch = call.batch
        since = faults.since if faults.since is not None else call.sent_at
        if self.is_half(batch):
            return self._splits_since_good < MAX_UNCONFIRMED_SPLITS or self._controller.good_since(since)
        if not self.attempts_exhausted(batch, faults.number):
            return False
        return faults.confirmed >= FAULTS_TO_FAIL if batch.is_single_id else self._controller.good_since(since)

    def is_refused(self, call: Call, faults: Faults) -> bool:
        """Whether the batch caused the refusal: a single id did at the second, if another call succeeded in between."""
        if not call.batch.kind.claims_ids:
            return call.api_known_up or self.answers
        return len(call.batch) > 1 or (call.api_known_up and faults.refused > 1)

    async def known_id(self, batch: Batch, now: datetime) -> str:
        """An id, not of `batch`, that the API has answered for; if there is none, the well-known one."""
        excluded = batch.ids
        if self._answered is not None and self._answered not in excluded:
            return self._answered
        if batch.kind is BatchKind.LISTING:
            return self._well_known_id
        stored = await self._ledger.old_responses(now + timedelta(days=1), 0, _LOOKED_AT)
        for body in (await self._ledger.bodies([response.call_id for response in stored])).values():
            with suppress(BodyError, ValueError, LookupError, TypeError):
                known = json.loads(body.raw())["items"][0]["id"]
                if isinstance(known, str) and known not in excluded:
                    return known
        return self._well_known_id
