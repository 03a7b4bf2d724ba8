"""The crawl itself: claim → fetch → settle, in as many lanes as calls may be under way.

Each lane carries one batch at a time. What happens next is decided by the ledger's answer to a claim and by the
verdict on the API's answer; every step is one transaction, safe to be killed after.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime

from harvester import quota
from harvester.clock import Clock
from harvester.config import QuotaSettings, RunSettings
from harvester.errors import ApiUnavailable, ConfigError, CredentialsError, HarvesterError
from harvester.gate import Gate
from harvester.ledger.protocol import Ledger
from harvester.model import Batch, Budget, Denied, GiveBack, Outcome, Verdict, VideoState
from harvester.pacing import Backoff, Pacer
from harvester.run import Ending, RunReport
from harvester.work import Work
from harvester.youtube import Api
from harvester.youtube.advice import advice

log = logging.getLogger(__name__)

DOUBT_PAUSE_SECONDS = 60.0
"""How long to wait before asking once more whether the day is really spent."""
LONGEST_SLEEP_SECONDS = 1800.0
REFUSALS_MOST = 30
"""So many refused batches, with nothing good between them, are not the ids' fault."""
HOPELESS = 4
"""An id that stands alone is given up after this many times `max_attempts` calls, even if nothing else succeeds."""

_ENDING_OF = {
    Denied.NOTHING_PENDING: Ending.NOTHING_LEFT,
    Denied.BUDGET_SPENT: Ending.BUDGET_SPENT,
    Denied.DAY_CLOSED: Ending.DAY_CLOSED,
}
_PRECEDENCE = list(Ending)


@dataclass(frozen=True, slots=True)
class _Again:
    """A batch that is to be asked again, and why."""

    batch: Batch
    fault: Outcome
    wait_seconds: float
    since: float
    """When the batch was first asked for."""


@dataclass(slots=True)
class _Lane:
    """What a lane has left to do: a batch to ask for again, or an answer whose settlement it does not wait for yet."""

    again: _Again | None = None
    settling: asyncio.Task[None] | None = None

    async def settled(self) -> None:
        """Wait for it. Raises what the settlement raised, once."""
        settling, self.settling = self.settling, None
        if settling is not None:
            await settling


class Crawl:
    """The calls of one run."""

    def __init__(
        self,
        ledger: Ledger,
        api: Api,
        clock: Clock,
        work: Work,
        *,
        run_id: int,
        run: RunSettings,
        quota: QuotaSettings,
        report: RunReport,
        chance: random.Random,
        max_calls: int | None = None,
        parts: str | None = None,
    ) -> None:
        self._ledger = ledger
        self._api = api
        self._clock = clock
        self._work = work
        self._run_id = run_id
        self._run = run
        self._quota = quota
        self._report = report
        self._chance = chance
        self._parts = parts
        self._calls_left = max_calls
        # Where calls are counted off, one lane claims at a time: a claim that is denied is no call.
        self._turn: AbstractAsyncContextManager[None] = nullcontext() if max_calls is None else asyncio.Lock()
        self._backoff = Backoff()
        self._pacer = Pacer(run.concurrency, chance, clock.monotonic(), self._backoff)
        self._closing = asyncio.Event()
        self._gate = Gate(self._pacer, clock, self._closing)
        self._fatal: HarvesterError | None = None
        self._doubted_until: float | None = None
        self._refused_in_a_row = 0

    async def go(self) -> Ending:
        """Run the lanes until each of them is denied a batch. Raises what ended the crawl for good."""
        lanes = [asyncio.create_task(self._lane()) for _ in range(self._run.concurrency)]
        try:
            endings = await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
        if self._fatal is not None:
            raise self._fatal
        return max(endings, key=_PRECEDENCE.index)

    async def close(self) -> None:
        """Send nothing more. `go` returns when the calls under way have come home."""
        self._closing.set()
        await self._gate.wake()

    async def sleep_until(self, instant: datetime) -> None:
        """Wait for that instant of the clock, or for `close`; what was learned of the API's mood is forgotten."""
        while not self._closing.is_set() and (now := self._clock.now()) < instant:
            # In slices: a machine that was suspended, or whose clock was set, looks at the time again.
            await self._gate.pause(min(LONGEST_SLEEP_SECONDS, (instant - now).total_seconds()))
        self._pacer.restart(self._clock.monotonic())
        self._doubted_until = None

    # --- one lane

    async def _lane(self) -> Ending:
        lane = _Lane()
        try:
            while True:
                if (ending := await self._go_round(lane)) is not None:
                    return ending
        finally:
            await lane.settled()

    async def _go_round(self, lane: _Lane) -> Ending | None:
        """One batch asked for. What it ends with is settled beside the next claim, so that both share a commit."""
        if lane.again is not None:
            await self._gate.pause(lane.again.wait_seconds)
        async with self._gate.passage():
            if self._closing.is_set():
                return await self._leave(lane.again)
            batch = await self._next_batch(lane.again)
            await lane.settled()
            if isinstance(batch, Ending):
                return batch
            since = lane.again.since if lane.again is not None else self._clock.monotonic()
            lane.again = await self._ask(batch, since, lane) if batch is not None else None
        return None

    async def _leave(self, again: _Again | None) -> Ending:
        """The gate is closed: a batch that waits to be asked again goes back as it came."""
        if again is not None:
            await self._ledger.give_back(again.batch, again.fault, GiveBack.RELEASE, self._clock.now())
        return Ending.MAX_CALLS if self._calls_left == 0 else Ending.STOPPED

    async def _next_batch(self, again: _Again | None) -> Batch | Ending | None:
        """The same batch again, or else a new one, with its units reserved. None: nothing this time, look again."""
        async with self._turn:
            if self._calls_left == 0:
                await self.close()
                return await self._leave(again)
            claimed = await self._claim(again)
            if isinstance(claimed, Batch):
                self._count_call()
                return claimed
        return _ENDING_OF[claimed] if claimed is not None else None

    async def _claim(self, again: _Again | None) -> Batch | Denied | None:
        now = self._clock.now()
        budget = self._budget()
        if again is None:
            return await self._work.claim(self._run_id, budget, now)
        claimed = await self._ledger.retry(self._run_id, again.batch, again.fault, budget, now)
        # Lost to somebody else meanwhile: there may be others.
        return None if claimed is Denied.NOTHING_PENDING else claimed

    def _budget(self) -> Budget:
        return quota.budget_for(
            self._clock.now(),
            daily_units=self._quota.daily_units,
            units_per_call=self._quota.units_per_call,
            reserve_units=self._quota.reserve_units,
            parts=self._parts,
        )

    def _count_call(self) -> None:
        self._report.calls += 1
        self._report.units += self._quota.units_per_call
        if self._calls_left is not None:
            self._calls_left -= 1

    # --- one call

    async def _ask(self, batch: Batch, since: float, lane: _Lane) -> _Again | None:
        """Send the call and act on its verdict. Returns the batch where it is to be asked again."""
        sent_at = self._clock.monotonic()
        outcome = await self._api.fetch(batch.ids)
        if outcome.verdict is Verdict.GOOD:
            self._note_good(sent_at)
            lane.settling = asyncio.create_task(self._settle(batch, outcome))
            # It begins now, before the lane's next claim: whatever kills the run, a lane has one call under way.
            await asyncio.sleep(0)
            return None
        self._report.wasted[outcome.reason] += 1
        if not outcome.sent:
            self._report.units -= batch.units
        log.debug("call %d: %s %s", batch.call_id, outcome.reason, outcome.message)
        match outcome.verdict:
            case Verdict.TRY_AGAIN:
                return await self._on_fault(batch, outcome, sent_at, since)
            case Verdict.SLOW_DOWN:
                return await self._on_push_back(batch, outcome, sent_at, since)
            case Verdict.QUOTA_DOUBTED | Verdict.DAY_SPENT:
                await self._on_quota(batch, outcome, sent_at)
            case Verdict.BATCH_REFUSED:
                await self._on_refusal(batch, outcome)
            case Verdict.KEY_REFUSED:
                await self._on_key_refused(batch, outcome)
        return None

    def _note_good(self, sent_at: float) -> None:
        self._pacer.good(self._clock.monotonic(), sent_at)
        self._refused_in_a_row = 0
        if self._doubted_until is not None and sent_at >= self._doubted_until:
            self._doubted_until = None

    async def _settle(self, batch: Batch, outcome: Outcome) -> None:
        if not await self._ledger.settle(batch, outcome, self._clock.now()):
            log.warning("call %d was answered after its claim had been taken back: not stored", batch.call_id)
            return
        fetched = len(outcome.found)
        self._report.good += 1
        self._report.fetched += fetched
        self._report.missing += len(batch) - fetched
        log.debug("call %d: %d fetched, %d missing", batch.call_id, fetched, len(batch) - fetched)

    async def _on_fault(self, batch: Batch, fault: Outcome, sent_at: float, since: float) -> _Again | None:
        """Back off and ask again; past the last attempt, tell a bad batch from an API that is down."""
        now = self._clock.monotonic()
        self._pacer.fault(now, sent_at)
        worn_out = batch.attempt >= self._run.max_attempts
        if worn_out and self._pacer.good_since(since):
            await self._give_up(batch, fault)
            return None
        if (worn_out or self._pacer.probing) and self._pacer.silence(now) >= self._run.patience_seconds:
            await self._end_for_outage(batch, fault)
            return None
        wait = self._backoff.delay(batch.attempt, self._chance, fault.retry_after_seconds)
        return _Again(batch, fault, wait, since)

    async def _give_up(self, batch: Batch, fault: Outcome) -> None:
        """The batch is at fault, not the API: look for the id in its halves, or give up on the one that is left.

        One that was to replace a response is not asked for again by this run.
        """
        if batch.replaces is not None:
            log.warning("%d videos could not be refreshed: %s %s", len(batch), fault.reason, fault.message)
            await self._ledger.give_back(batch, fault, GiveBack.RELEASE, self._clock.now())
            return
        how = GiveBack.SPLIT if len(batch) > 1 else GiveBack.FAIL
        if how is GiveBack.FAIL:
            log.warning("%s is given up: %s %s", batch.ids[0], fault.reason, fault.message)
        if not await self._ledger.give_back(batch, fault, how, self._clock.now()):
            return
        self._report.failed += how is GiveBack.FAIL
        if how is GiveBack.SPLIT:
            self._report.split += 1
            self._work.put_back(batch, halves=2)

    async def _end_for_outage(self, batch: Batch, fault: Outcome) -> None:
        """Nothing succeeds any more. If it was this batch all the same, its halves tell in the next run."""
        tries = self._run.max_attempts if len(batch) > 1 else HOPELESS * self._run.max_attempts
        if batch.replaces is None and batch.asked_before + 1 >= tries:
            await self._give_up(batch, fault)
            if await self._all_settled():
                return
        else:
            await self._release(batch, fault)
        await self._fail(
            ApiUnavailable(
                f"The API has not given one good answer in {self._run.patience_seconds:.0f} s; the last call ended "
                f"with {fault.reason}{f' ({fault.message})' if fault.message else ''}.",
                state=f"All that was fetched is stored; {self._work.let_go}, and budget is left.",
                next_step=f"Run {self._work.command} again later: it goes on where it stopped.",
            )
        )

    async def _all_settled(self) -> bool:
        videos = (await self._ledger.progress()).videos
        return not videos[VideoState.PENDING] and not videos[VideoState.CLAIMED]

    async def _on_push_back(self, batch: Batch, fault: Outcome, sent_at: float, since: float) -> _Again | None:
        now = self._clock.monotonic()
        if self._pacer.silence(now) >= self._run.patience_seconds:
            # An API that never stops saying "too fast" means the day.
            await self._close_day(batch, fault)
            return None
        self._pacer.pushed_back(now, sent_at, batch.attempt, fault.retry_after_seconds)
        return _Again(batch, fault, self._backoff.delay(batch.attempt, self._chance), since)

    async def _on_quota(self, batch: Batch, fault: Outcome, sent_at: float) -> None:
        """The day looks spent. Near midnight, and the first time, it is worth one more question."""
        young = quota.newly_reset(self._clock.now())
        certain = fault.verdict is Verdict.DAY_SPENT or (
            self._doubted_until is not None and sent_at >= self._doubted_until
        )
        if certain and not young:
            await self._close_day(batch, fault)
            return
        if self._doubted_until is None or sent_at >= self._doubted_until:
            now = self._clock.monotonic()
            self._doubted_until = now + DOUBT_PAUSE_SECONDS
            self._pacer.probe(now, DOUBT_PAUSE_SECONDS)
            log.info("the API says that the day's quota is spent: asking once more in %.0f s", DOUBT_PAUSE_SECONDS)
        await self._release(batch, fault)

    async def _close_day(self, batch: Batch, fault: Outcome) -> None:
        await self._ledger.close_day(batch.quota_day, self._clock.now())
        log.warning("the API says that the quota of %s is spent (%s)", batch.quota_day, fault.reason)
        await self._release(batch, fault)

    async def _on_refusal(self, batch: Batch, fault: Outcome) -> None:
        self._refused_in_a_row += 1
        if self._refused_in_a_row < REFUSALS_MOST:
            await self._give_up(batch, fault)
            return
        await self._release(batch, fault)
        await self._fail(
            ConfigError(
                f"The API refused {REFUSALS_MOST} batches in a row: {fault.reason} {fault.message}".rstrip(),
                state=f"The run was stopped before it cost more; {self._work.let_go}.",
                next_step="See the API's sentence above and the [youtube] settings.",
            )
        )

    async def _on_key_refused(self, batch: Batch, fault: Outcome) -> None:
        # First of all: no other lane is to send one more.
        what = "The API refuses to answer this key" if fault.sent else "The API can't be reached"
        await self._fail(
            (CredentialsError if fault.sent else ConfigError)(
                f"{what} ({fault.reason}): {fault.message}".rstrip(": "),
                state=f"Nothing is lost; {self._work.let_go}.",
                next_step=advice(fault),
            )
        )
        await self._release(batch, fault)

    async def _release(self, batch: Batch, fault: Outcome) -> None:
        await self._ledger.give_back(batch, fault, GiveBack.RELEASE, self._clock.now())
        self._work.put_back(batch)

    async def _fail(self, error: HarvesterError) -> None:
        """End the run with this error once the calls under way have come home."""
        self._fatal = self._fatal or error
        await self.close()
