"""Whether a batch is at fault or the API: the ids under suspicion, and an id to probe the API with."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from harvester.crawl.concurrency import ConcurrencyController
from harvester.ledger.protocol import Ledger
from harvester.model import Batch, Outcome, Verdict
from harvester.support.gzip_body import BodyError

PROBE = "probe"
"""The reason of a call that asked for an id known to be good, to see whether the API answers at all."""
WELL_KNOWN_ID = "jNQXAC9IVRw"
"""The first video on YouTube: what a ledger that has stored nothing yet probes with. Any valid answer will do."""
MAX_UNPROVEN_SPLITS = 3
"""So many halves may be split at their first fault in a row; then the API has to show that it still answers."""

MAX_FAILED_PROBES = 2
"""So many probes that fail in a row show that it is the API."""
PROVEN_FAULTS = 2
"""An id alone has to fail so often with a good answer to others just before: once, an outage may have begun between."""

_LOOKED_AT = 3
"""Stored responses that are looked at for a known id."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How a batch has failed in this run. A push-back, or the failure of a probe, is no fault of its own."""

    since: float | None = None
    """A good answer to a call sent after this shows that the API works. None: it has not failed."""
    number: int = 0
    proven: int = 0
    """How many followed a good answer to something else since the one before."""
    refused: int = 0
    """How many were refusals."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A batch that is to be asked again, and why."""

    batch: Batch
    fault: Outcome
    wait_seconds: float
    faults: Faults
    unproven: bool = False
    """Whether to see first that the API answers anything at all."""
    proven: bool = False
    """Whether a probe has shown it since."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call under way."""

    batch: Batch
    sent_at: float
    faults: Faults
    proven: bool
    """Whether the API had answered something else since then when this call was sent."""
    probe: bool
    """Whether it asks for a known id instead of its batch."""


DOUBT_LASTS_SECONDS = 180.0
"""How long a doubt waits for an answer of the API: later, when only faults came, it begins anew."""


class QuotaDoubt:
    """Whether the API said that the day's quota is spent, and has answered nothing else since the pause that followed.

    What it refuses or answers unacceptably counts as well: past its quota the API answers no call at all.
    """

    def __init__(self) -> None:
        self._until: float | None = None

    def begin(self, until: float) -> None:
        """Whatever the API answers to a call sent from then on decides."""
        self._until = until

    def pauses(self, sent_at: float) -> bool:
        """Whether this call was sent before the pause was over: what it brought decides nothing."""
        return self._until is not None and sent_at < self._until

    def is_confirmed(self, sent_at: float) -> bool:
        """Whether this call, which was refused for the quota, was the question asked once more."""
        return self._until is not None and self._until <= sent_at < self._until + DOUBT_LASTS_SECONDS

    def hear(self, outcome: Outcome, sent_at: float) -> None:
        """An answer that is not about the quota ends the doubt."""
        answered = outcome.http_status == 200 or outcome.verdict is Verdict.BATCH_REFUSED
        if answered and self.is_confirmed(sent_at):
            self._until = None

    def forget(self) -> None:
        """Another day."""
        self._until = None


class Evidence:
    """What this run has learned of its batches. Times are the clock's monotonic seconds."""

    def __init__(
        self, ledger: Ledger, controller: ConcurrencyController, max_attempts: int, patience_seconds: float
    ) -> None:
        self._ledger = ledger
        self._controller = controller
        self._max_attempts = max_attempts
        self._patience_seconds = patience_seconds
        self._suspects: set[int] = set()
        self._answered: str | None = None
        self._count_anew()

    def good(self, batch: Batch, outcome: Outcome) -> None:
        """The API has answered for this batch: none of its ids is at fault."""
        self._count_anew()
        self._answered = next(iter(outcome.found), batch.ids[0])
        self.clear(batch)

    @property
    def answers(self) -> bool:
        """Whether this run has had a good answer."""
        return self._answered is not None

    def clear(self, batch: Batch) -> None:
        """These ids are settled."""
        if self._suspects:
            self._suspects.difference_update(batch.positions)

    def probed(self) -> None:
        """The API has answered a probe."""
        self._count_anew()

    @property
    def probes_exhausted(self) -> bool:
        """Whether probes have shown that the API is down; a run without patience needs none."""
        return self.probes_failed >= MAX_FAILED_PROBES or not self._patience_seconds

    def forget(self) -> None:
        """A new day: halves are asked for as any batch is."""
        self._suspects.clear()
        self._count_anew()

    def _count_anew(self) -> None:
        self._splits_since_good = self.refused_in_a_row = self.probes_failed = self.probes_refused = 0

    def split(self, batch: Batch) -> None:
        """One of these ids is at fault: its halves are to be asked for."""
        self._splits_since_good += 1
        self._suspects.update(batch.positions)

    def call(self, batch: Batch, retry: Retry | None, now: float) -> Call:
        """What to send for a batch that was just claimed, for the first time or again."""
        if retry is None:
            return Call(batch, now, Faults(), proven=False, probe=False)
        proven = self.is_proven(retry)
        doubtful = retry.unproven or (retry.faults.since is not None and self.is_overdue(now))
        return Call(batch, now, retry.faults, proven, probe=doubtful and not proven)

    def is_overdue(self, now: float) -> bool:
        """Whether all that was under way has failed, and nothing has succeeded for as long as a run is patient."""
        return self._controller.probing and self._controller.silence(now) >= self._patience_seconds

    def can_give_up(self, retry: Retry) -> bool:
        """Whether an old response can be given up without one more call: the API answers others meanwhile."""
        return retry.unproven and not retry.batch.kind.claims_ids and self.is_proven(retry)

    def is_proven(self, retry: Retry) -> bool:
        """Whether the API has answered something well that it was asked after this batch had failed."""
        since = retry.faults.since
        return retry.proven or (since is not None and self._controller.good_since(since))

    def count(self, call: Call, now: float, *, refused: bool = False) -> Faults:
        """The faults of its batch with the one that has just come."""
        before = call.faults
        if call.probe:
            return before if before.since is not None else Faults(now)
        # An id alone has to fail after each good answer anew; of a batch, the first fault is enough to split it.
        renewed = before.since is None or not before.number or refused or len(call.batch) == 1
        return Faults(
            now if renewed else before.since,
            before.number + 1,
            before.proven + call.proven,
            before.refused + refused,
        )

    def is_half(self, batch: Batch) -> bool:
        """Whether it is part of a batch that this run has split, and can be split further."""
        return len(batch) > 1 and batch.positions[0] in self._suspects

    def attempts_exhausted(self, batch: Batch, faults: int) -> bool:
        """Whether it has had all its attempts. Those of earlier runs count too, lest a short day never be enough; of an
        id alone they do not, for it may have been asked for with others then."""
        asked = batch.asked_before + 1 if len(batch) > 1 else 0
        return max(faults, asked) >= self._max_attempts

    def wants_proof(self, batch: Batch, faults: int) -> bool:
        """Whether its next attempt has to follow a good answer to something else."""
        if batch.is_single_id:
            return faults + PROVEN_FAULTS >= self._max_attempts
        return self.is_half(batch) or self.attempts_exhausted(batch, faults)

    def is_at_fault(self, call: Call, faults: Faults) -> bool:
        """A batch is, once the API has answered others since it failed; half of one that is, at its first fault.

        An id that stands alone is given up only if it failed again after such an answer, `PROVEN_FAULTS` times.
        `faults` counts the one that has just come.
        """
        batch = call.batch
        since = faults.since if faults.since is not None else call.sent_at
        if self.is_half(batch):
            return self._splits_since_good < MAX_UNPROVEN_SPLITS or self._controller.good_since(since)
        if not self.attempts_exhausted(batch, faults.number):
            return False
        return faults.proven >= PROVEN_FAULTS if batch.is_single_id else self._controller.good_since(since)

    def is_refused(self, call: Call, faults: Faults) -> bool:
        """Whether a refusal is its own: of an id alone, the second, with a good answer to others just before it."""
        if not call.batch.kind.claims_ids:
            return call.proven or self.answers
        return len(call.batch) > 1 or (call.proven and faults.refused > 1)

    async def known_id(self, but: Collection[str], now: datetime) -> str:
        """An id that the API has answered for, or the well-known one; none of `but`."""
        if self._answered is not None and self._answered not in but:
            return self._answered
        stored = await self._ledger.old_responses(now + timedelta(days=1), 0, _LOOKED_AT)
        for body in (await self._ledger.bodies([response.call_id for response in stored])).values():
            with suppress(BodyError, ValueError, LookupError, TypeError):
                known = json.loads(body.raw())["items"][0]["id"]
                if isinstance(known, str) and known not in but:
                    return known
        return WELL_KNOWN_ID
