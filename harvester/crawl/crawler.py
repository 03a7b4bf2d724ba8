"""The crawl: claim, fetch and settle, in as many workers as calls may be under way.

Each worker has one batch at a time. The ledger's answer to a claim and the verdict on the API's answer decide the next
step, such as to split the batch. Every step is one transaction, so that the process may be killed at any time.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import date, timedelta

from harvester import quota_calendar
from harvester.config import RunSettings
from harvester.crawl.api_clock import ApiClock
from harvester.crawl.backoff import Backoff
from harvester.crawl.batch_source import Phase
from harvester.crawl.concurrency_controller import ConcurrencyController
from harvester.crawl.fault_attribution import MAX_FAILED_PROBES, PROBE, Attribution, Call, Faults, Retry
from harvester.crawl.limiter import Limiter
from harvester.crawl.quota_doubt import QuotaDoubt
from harvester.crawl.run_errors import all_refused, api_down, misconfigured
from harvester.crawl.run_log import RunLog
from harvester.crawl.run_report import Ending, RunReport
from harvester.errors import HarvesterError
from harvester.ledger.ledger import Ledger
from harvester.model import Batch, Denied, GiveBack, Outcome, Verdict
from harvester.support.sanitize import count

log = logging.getLogger(__name__)

DOUBT_PAUSE_SECONDS = 60.0
"""How long to wait before one more call shows whether the day is really spent."""
GOOD_ANSWER_SECONDS = 30.0
"""How long to wait for a good answer to another batch before a call is spent on a probe."""
MAX_REFUSALS = 30
"""Refused batches in a row until a probe tells whether the ids are at fault or the API."""

# CLAIM_LOST and None are not among them: there may be more to claim.
_ENDING_OF: dict[Denied | None, Ending] = {
    Denied.NOTHING_PENDING: Ending.NOTHING_LEFT,
    Denied.BUDGET_SPENT: Ending.BUDGET_SPENT,
    Denied.DAY_CLOSED: Ending.DAY_CLOSED,
}
PRECEDENCE = list(Ending)  # by the order of the members


@dataclass(slots=True)
class _Worker:
    """What a worker has left to do: a batch to send again, or a settlement still to wait for."""

    retry: Retry | None = None
    settling: asyncio.Task[None] | None = None

    async def settled(self) -> None:
        """Wait for the settlement. Raises what the settlement raised, once."""
        settling, self.settling = self.settling, None
        if settling is not None:
            await settling


class Crawler:
    """Makes the calls of one phase of a run."""

    def __init__(
        self,
        ledger: Ledger,
        phase: Phase,
        clock: ApiClock,
        *,
        run_id: int,
        run: RunSettings,
        report: RunReport,
        rng: random.Random,
        max_calls: int | None = None,
    ) -> None:
        """`max_calls`: send none once `report` counts so many."""
        self._ledger = ledger
        self.endpoint = phase.endpoint
        self._api = phase.api
        self._clock = clock
        self._batches = phase.batches
        self._run_id = run_id
        self._log = RunLog(log, run_id)
        self._run = run
        self._budget = phase.budget
        self._report = report
        self._rng = rng
        self._max_calls = max_calls
        # With `max_calls`, one worker claims at a time, because a denied claim is no call.
        self._turn: AbstractAsyncContextManager[None] = nullcontext() if max_calls is None else asyncio.Lock()
        self._backoff = Backoff()
        self._controller = ConcurrencyController(run.concurrency, rng, clock.monotonic(), self._backoff)
        self._closing = asyncio.Event()
        self._limiter = Limiter(self._controller, self._clock, self._closing)
        self._fatal: HarvesterError | None = None
        self._closed_day: date | None = None
        self.denied_day: date | None = None  # the day that last had no units for a call
        self._doubt = QuotaDoubt()
        known_id = phase.endpoint.well_known_id
        self._attribution = Attribution(ledger, self._controller, run.max_attempts, run.patience_seconds, known_id)
        self._workers_left = 0
        self._one_probe = asyncio.Lock()
        self._good_waiters: list[asyncio.Event] = []

    async def go(self) -> Ending:
        """Run the workers until each of them is denied a batch. Raises the error that ended the crawl."""
        self._workers_left = self._run.concurrency
        workers = [asyncio.create_task(self._work()) for _ in range(self._workers_left)]
        try:
            endings = await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        if self._fatal is not None:
            raise self._fatal
        return max(endings, key=PRECEDENCE.index)

    async def close(self) -> None:
        """Send nothing more. `go` returns when the calls under way have finished."""
        self._closing.set()
        await self._limiter.wake()

    async def sleep_until_reset(self, margin: timedelta) -> None:
        """Wait for another quota day than today, or for `close`."""
        day = quota_calendar.quota_day(self._clock.now())
        await self._limiter.pause_while(lambda: self._clock.seconds_to_another_day(day, margin))

    def begin_anew(self) -> None:
        """Reset the backoff state and what counts against batches: silence of the API counts from now on."""
        self._controller.restart(self._clock.monotonic())
        self._doubt.forget()
        self._attribution.forget()

    # --- one worker

    async def _work(self) -> Ending:
        """Send batch after batch. A good answer is settled along with the next claim, so that both share a commit."""
        worker = _Worker()
        try:
            while True:
                if (retry := worker.retry) is not None:
                    await self._limiter.pause(retry.wait_seconds)
                    await self._wait_for_good_answer(retry)
                async with self._turn_to_probe(retry), self._limiter.slot():
                    if self._closing.is_set():
                        return await self._leave(retry)
                    worker.retry = None
                    if retry is not None and self._attribution.can_give_up(retry):
                        await self._give_up(retry.batch, retry.fault)
                        continue
                    batch = await self._next_batch(retry)
                    await worker.settled()
                    if isinstance(batch, Ending):
                        return batch
                    if batch is not None:
                        call = self._attribution.call(batch, retry, self._clock.monotonic())
                        worker.retry = await self._ask(call, worker)
        finally:
            self._workers_left -= 1
            self._tell_waiters()
            await worker.settled()

    def _turn_to_probe(self, retry: Retry | None) -> AbstractAsyncContextManager[None]:
        """A lock for a retry that needs a probe. One probe at a time is enough: its answer serves all workers."""
        needs_probe = retry is not None and retry.needs_probe and not self._attribution.is_api_known_up(retry)
        return self._one_probe if needs_probe else nullcontext()

    async def _wait_for_good_answer(self, retry: Retry) -> None:
        """Wait for a good answer to another worker, which proves as much as a probe and costs nothing."""
        until = self._clock.monotonic() + GOOD_ANSWER_SECONDS
        while retry.needs_probe and self._workers_left > 1 and not self._attribution.is_api_known_up(retry):
            self._good_waiters.append(good := asyncio.Event())
            await self._limiter.pause(until - self._clock.monotonic(), good)
            if not good.is_set():
                return

    async def _leave(self, retry: Retry | None) -> Ending:
        """Release a batch that waits to be sent again, since the run is closing."""
        if retry is not None:
            await self._ledger.give_back(retry.batch, retry.fault, GiveBack.RELEASE, self._clock.now())
        return Ending.MAX_CALLS if self._max_calls_made else Ending.STOPPED

    async def _next_batch(self, retry: Retry | None) -> Batch | Ending | None:
        """Claim the batch of `retry` again, or else a new one, with its units. None: nothing this time, try again."""
        async with self._turn:
            if self._max_calls_made:
                await self.close()
                return await self._leave(retry)
            now = self._clock.now()
            if (day := quota_calendar.quota_day(now)) != self._budget.day:
                self._budget = replace(self._budget, day=day)
            budget = self._budget
            if retry is None:
                claimed = await self._batches.claim(self._run_id, budget, now)
            else:
                claimed = await self._ledger.retry(self._run_id, retry.batch, retry.fault, budget, now)
            if isinstance(claimed, Batch):
                self._count_call()
                return claimed
        if claimed in (Denied.BUDGET_SPENT, Denied.DAY_CLOSED):
            self.denied_day = budget.day
        return _ENDING_OF.get(claimed)

    def _count_call(self) -> None:
        self._report.calls += 1
        self._report.units += self._budget.units_per_call

    @property
    def _max_calls_made(self) -> bool:
        return self._max_calls is not None and self._report.calls >= self._max_calls

    # --- one call

    async def _ask(self, call: Call, worker: _Worker) -> Retry | None:
        """Send the call and act on its verdict. Returns the batch if it is to be sent again."""
        batch = call.batch
        outcome = await self._fetch(call)
        self._clock.hear(outcome.answered_on)
        self._doubt.hear(outcome, call.sent_at)
        if outcome.verdict is Verdict.GOOD:
            return await self._on_good(call, outcome, worker)
        self._report.wasted[outcome.reason] += 1
        if not outcome.sent:
            self._report.units -= batch.units
        why = outcome.reason
        self._log.call(logging.DEBUG, batch, why, "call %d: %s %s", batch.call_id, why, outcome.message)
        match outcome.verdict:
            case Verdict.TRY_AGAIN:
                return await self._on_fault(call, outcome)
            case Verdict.SLOW_DOWN:
                return await self._on_push_back(call, outcome)
            case Verdict.QUOTA_DOUBTED | Verdict.DAY_SPENT:
                await self._on_quota(batch, outcome, call.sent_at)
            case Verdict.BATCH_REFUSED | Verdict.UNACCEPTABLE:
                return await self._on_refusal(call, outcome)
            case Verdict.MISCONFIGURED:
                await self._on_misconfigured(batch, outcome)
        return None

    async def _fetch(self, call: Call) -> Outcome:
        batch = call.batch
        if call.probe:
            return await self._api.fetch((await self._attribution.known_id(batch, self._clock.now()),))
        return await self._api.fetch(batch.ids, batch.listing.page_token if batch.listing else None)

    async def _on_good(self, call: Call, outcome: Outcome, worker: _Worker) -> Retry | None:
        self._controller.good(self._clock.monotonic(), call.sent_at)
        self._tell_waiters()
        if call.probe:
            outcome.done_with()
            self._attribution.probed()
            self._report.wasted[PROBE] += 1
            answered = Outcome(Verdict.TRY_AGAIN, PROBE, outcome.http_status, "a known id was asked for, and answered")
            return Retry(call.batch, answered, 0.0, call.faults, probe_succeeded=True)
        self._attribution.good(call.batch, outcome)
        worker.settling = asyncio.create_task(self._settle(call.batch, outcome))
        worker.settling.add_done_callback(lambda _: outcome.done_with())
        # The settlement begins before the worker's next claim, so that a worker never has two calls under way.
        await asyncio.sleep(0)
        return None

    def _tell_waiters(self) -> None:
        for waiter in self._good_waiters:
            waiter.set()
        self._good_waiters.clear()

    async def _settle(self, batch: Batch, outcome: Outcome) -> None:
        if not await self._ledger.settle(batch, outcome, self._clock.now()):
            message = "call %d was answered after its claim had been taken back: not stored"
            self._log.call(logging.WARNING, batch, "claim_lost", message, batch.call_id)
            return
        brought = self._report.count_good(batch, outcome)
        level = logging.WARNING if batch.listing and outcome.listed is None else logging.DEBUG
        self._log.call(level, batch, outcome.reason, "call %d: %s", batch.call_id, brought)

    async def _on_fault(self, call: Call, fault: Outcome) -> Retry | None:
        """Back off and retry; after the last attempt, find out whether the batch is bad or the API is down."""
        now, batch = self._clock.monotonic(), call.batch
        self._controller.fault(now, call.sent_at)
        faults = self._attribution.count(call, now)
        if not call.probe and self._attribution.is_at_fault(call, faults):
            await self._give_up(batch, fault)
            return None
        exhausted = self._attribution.attempts_exhausted(batch, faults.number)
        # With fewer batches than may be under way, no number of faults shows that every call has failed.
        patience_exhausted = self._attribution.is_silent(now) and (self._controller.probing or exhausted or call.probe)
        self._attribution.probes_failed += call.probe
        if patience_exhausted and self._attribution.probes_exhausted:
            await self._end_for_outage(batch, fault)
            return None
        wait = self._backoff.delay(batch.attempt, self._rng, fault.retry_after_seconds)
        needs_probe = patience_exhausted or self._attribution.needs_probe(batch, faults.number)
        return Retry(batch, fault, wait, faults, needs_probe)

    async def _give_up(self, batch: Batch, fault: Outcome) -> None:
        """Split a batch that is at fault, or fail the last remaining id. A batch that claims no ids is released."""
        if not batch.kind.claims_ids:
            what = f"{count(len(batch), 'video')} could not be refreshed"
            what = f"{batch.ids[0]} could not be listed in this run" if batch.listing else what
            self._log.call(logging.WARNING, batch, fault.reason, "%s: %s %s", what, fault.reason, fault.message)
            self._batches.give_up(batch)
            await self._ledger.give_back(batch, fault, GiveBack.RELEASE, self._clock.now())
            return
        how = GiveBack.SPLIT if len(batch) > 1 else GiveBack.FAIL
        if how is GiveBack.FAIL:
            why = fault.reason
            self._log.call(logging.WARNING, batch, why, "%s is given up: %s %s", batch.ids[0], why, fault.message)
        if not await self._ledger.give_back(batch, fault, how, self._clock.now()):
            return
        if how is GiveBack.FAIL:
            self._report.failed += 1
            self._attribution.clear(batch)
            return
        self._report.split += 1
        self._attribution.split(batch)
        self._batches.requeue(batch, halves=2)

    async def _end_for_outage(self, batch: Batch, fault: Outcome) -> None:
        await self._release(batch, fault)
        await self._fail(api_down(fault, self._run.patience_seconds, self._batches))

    async def _on_push_back(self, call: Call, fault: Outcome) -> Retry | None:
        """Slow down and retry; never close a day. Once patience is exhausted, a probe tells whether the API is down:
        where all ids are poison items, nothing else can succeed."""
        now, batch, faults = self._clock.monotonic(), call.batch, call.faults
        if patience_exhausted := self._attribution.is_silent(now):
            self._attribution.probes_failed += call.probe
            faults = faults if faults.since is not None else Faults(now)
        if patience_exhausted and self._attribution.probes_exhausted:
            await self._end_for_outage(batch, fault)
            return None
        self._controller.pushed_back(now, call.sent_at, batch.attempt, fault.retry_after_seconds)
        wait = self._backoff.delay(batch.attempt, self._rng)
        return Retry(batch, fault, wait, faults, needs_probe=call.probe or patience_exhausted)

    async def _on_quota(self, batch: Batch, fault: Outcome, sent_at: float) -> None:
        """Release the batch, since the day looks spent; close the day unless one more call is to confirm that."""
        just_reset = quota_calendar.just_reset(self._clock.now())
        certain = fault.verdict is Verdict.DAY_SPENT or self._doubt.is_confirmed(sent_at)
        if certain and not just_reset:
            await self._close_day(batch, fault)
            return
        if not self._doubt.pauses(sent_at):
            now = self._clock.monotonic()
            self._doubt.begin(now + DOUBT_PAUSE_SECONDS)
            self._controller.probe(now, DOUBT_PAUSE_SECONDS)
            message = "the API says that the day's quota is spent: asking once more in %.0f s"
            self._log.call(logging.INFO, batch, fault.reason, message, DOUBT_PAUSE_SECONDS)
        await self._release(batch, fault)

    async def _close_day(self, batch: Batch, fault: Outcome) -> None:
        # A batch of a later day was claimed by a clock that was ahead: the API means its own day.
        day = min(batch.quota_day, quota_calendar.quota_day(self._clock.now()))
        await self._ledger.close_day(day, self._clock.now(), batch.bucket)
        # Many calls under way get this answer; one warning is enough.
        level, self._closed_day = logging.DEBUG if day == self._closed_day else logging.WARNING, day
        message = "the API says that the quota of %s is spent (%s)"
        self._log.run(level, message, day, fault.reason, quota_day=str(day), call_id=batch.call_id, reason=fault.reason)
        await self._release(batch, fault)

    async def _on_refusal(self, call: Call, fault: Outcome) -> Retry | None:
        """Split a refused batch at once: the API works. A single id must be refused twice, with a success of another
        call in between. After very many refusals in a row, a probe tells whether the API refuses everything."""
        batch, attribution = call.batch, self._attribution
        attribution.refused_in_a_row += 1
        attribution.probes_refused += call.probe
        very_many = attribution.refused_in_a_row >= MAX_REFUSALS
        if call.probe and (very_many or attribution.probes_refused >= MAX_FAILED_PROBES):
            await self._release(batch, fault)
            await self._fail(all_refused(fault, min(attribution.refused_in_a_row, MAX_REFUSALS), self._batches))
            return None
        faults = attribution.count(call, self._clock.monotonic(), refused=True)
        if attribution.is_refused(call, faults) and not very_many and not call.probe:
            await self._give_up(batch, fault)
            return None
        return Retry(batch, fault, 0.0, faults, needs_probe=True)

    async def _on_misconfigured(self, batch: Batch, fault: Outcome) -> None:
        # Before the release, so that no other worker sends one more call.
        await self._fail(misconfigured(fault, self._batches))
        await self._release(batch, fault)

    async def _release(self, batch: Batch, fault: Outcome) -> None:
        await self._ledger.give_back(batch, fault, GiveBack.RELEASE, self._clock.now())
        self._batches.requeue(batch)

    async def _fail(self, error: HarvesterError) -> None:
        """End the run with this error once the calls under way have finished."""
        self._fatal = self._fatal or error
        await self.close()
