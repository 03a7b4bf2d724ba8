"""Thousands of small crawls in one process, in virtual time, each from a seed: `make fuzz-crawl`, `SEED=7` replays one.

Each crawl is the real worker over a real ledger, against an API that is at fault as its plan says. It is judged by
what was planted: the states of its ids, the units, the calls, every run's exit code, and that it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import math
import multiprocessing
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))

from fuzz_api import UNANSWERED, FuzzApi, Heard
from fuzz_ledgers import DATABASES, Database, Death, Died
from fuzz_plan import PRICE, Plan, RunPlan, make_plan
from virtual_time import VirtualClock, VirtualLoop

from harvester import quota_calendar
from harvester.config import QuotaSettings, RunSettings
from harvester.crawl.batch_source import PendingIds, Phase
from harvester.crawl.fault_attribution import PROBE
from harvester.crawl.run_report import Ending, RunReport
from harvester.crawl.runner import Runner
from harvester.errors import HarvesterError
from harvester.ledger.postgres import connection
from harvester.model import ProcessIdentity, VideoState
from harvester.youtube.endpoints import VIDEOS_LIST, budget_of

CRAWLS = 10_000
CRAWLS_ON_A_SERVER = 500
MOST_RUNS = 60
RUN_DAYS_MOST = 90
HOUR = 3600.0


class Wrong(AssertionError):
    """What the crawl did is not what was planted."""


def expect(condition: object, what: str) -> None:
    if not condition:
        raise Wrong(what)


@dataclass
class Result:
    """How one run came out."""

    how: RunPlan
    report: RunReport
    code: int | None
    """None: it died, or was cancelled."""
    error: HarvesterError | None
    began: float
    ended: float


@dataclass
class FuzzCrawl:
    """One crawl by its plan."""

    plan: Plan
    database: Database
    loop: VirtualLoop
    results: list[Result] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(self.loop, self.plan.start, self.plan.clock_sets)
        self.api = FuzzApi(self.plan, self.clock)
        self._blind: Counter[date] = Counter()
        self._living: set[ProcessIdentity] = set()
        self._pids = iter(range(1, 10_000))

    async def play(self) -> None:
        ledger = self.database.ledger(self._living.__contains__, Death())
        await ledger.add(self.plan.ids, (), 0)
        ledger.hang_up()
        for how in self.plan.runs:
            await self._runs(how)
        while self._count("state IN (0, 1)"):
            expect(len(self.results) < MOST_RUNS, f"after {MOST_RUNS} runs it is still not done")
            await self._runs(RunPlan())
        self._judge()

    async def _runs(self, how: RunPlan) -> None:
        results = await asyncio.gather(*(self._run(how, n) for n in range(how.at_once)))
        self.results += results
        for result in results:
            self._judge_run(result, alone=how.at_once == 1)
        await asyncio.sleep(self._pause_after(results))  # pause: in virtual time

    def _pause_after(self, results: Sequence[Result]) -> float:
        if any(result.code in (3, 4) for result in results):
            outage = self.api.outage(self.clock.monotonic())
            # Whoever sees exit 3 mends what is wrong first.
            mended = outage.end - self.clock.monotonic() if outage and any(r.code == 3 for r in results) else 0.0
            return max(HOUR, mended)
        if any(result.code is None for result in results):
            return 400.0
        if any(result.report.ending in (Ending.BUDGET_SPENT, Ending.DAY_CLOSED) for result in results):
            now = self.clock.true_now()
            return (quota_calendar.resets_at(now) - now + timedelta(minutes=5)).total_seconds()
        return 60.0

    async def _run(self, how: RunPlan, number: int) -> Result:
        host = f"elsewhere{number}" if how.elsewhere else "here"
        process = ProcessIdentity(host, "boot" + host, next(self._pids), "then")
        self._living.add(process)
        death = Death(how.dies_after_transactions, how.after_commit)
        ledger = self.database.ledger(self._living.__contains__, death)
        quota = QuotaSettings(daily_units=self.plan.daily_units, units_per_call=PRICE)
        budget = budget_of(VIDEOS_LIST, quota, None)
        phase = Phase(VIDEOS_LIST, Heard(self.api, self._blind), PendingIds(ledger), budget)
        worker = Runner(
            ledger,
            [phase],
            self.clock,
            run=RunSettings(
                concurrency=self.plan.workers,
                max_attempts=self.plan.max_attempts,
                patience_seconds=self.plan.patience_seconds,
            ),
            process=process,
            rng=random.Random(self.plan.seed + len(self.results)),
        )
        began = self.clock.monotonic()
        task = asyncio.ensure_future(worker.run(until_done=how.until_done, max_calls=how.max_calls))
        try:
            done, _ = await asyncio.wait([task], timeout=how.cancelled_after or RUN_DAYS_MOST * 24 * HOUR)
            expect(done or how.cancelled_after is not None, f"a run did not end within {RUN_DAYS_MOST} days")
            task.cancel()
            code, error = await _ended(task)
        finally:
            death.dead = True
            self._living.discard(process)
            ledger.hang_up()
        return Result(how, worker.report, code, error, began, self.clock.monotonic())

    # --- the verdict

    def _count(self, condition: str) -> int:
        return int(self.database.rows(f"SELECT count(*) FROM videos WHERE {condition}")[0][0])

    def _judge_run(self, result: Result, *, alone: bool) -> None:
        plan, report = self.plan, result.report
        began = result.began - 1000
        if result.code is None:
            expect(result.how.is_disturbed, "a run died that nothing had killed")
            return
        # A lease of another host may last a little longer where its clock was ahead.
        if alone and report.ending is not Ending.CLAIMED_BY_OTHERS:
            expect(not self._count("state = 1"), "a run has ended, and ids are still claimed")
        if result.code == 4:
            recent = result.ended - plan.patience_seconds - 1200
            expect(self.api.trouble_in(max(began, recent), result.ended), f"exit 4 without an outage: {result.error}")
        elif result.code == 3:
            expect(self.api.trouble_in(began, result.ended, "404"), f"exit 3 without a reason: {result.error}")
        else:
            expect(result.code == 0, f"exit {result.code}: {result.error!r}")
            # A wrong clock stays unnoticed where nothing answers.
            if not (plan.clock_sets and self.api.trouble_in(result.ended, result.ended, *UNANSWERED)):
                self._judge_ending(report.ending, alone)

    def _judge_ending(self, ending: Ending, alone: bool) -> None:
        day = quota_calendar.quota_day(self.clock.true_now())
        if ending is Ending.NOTHING_LEFT and alone:
            expect(not self._count("state IN (0, 1)"), '"nothing left", and ids are pending')
        if ending in (Ending.BUDGET_SPENT, Ending.DAY_CLOSED) and alone:
            expect(self._count("state IN (0, 1)"), f'"{ending}", and nothing is left')
        if ending is Ending.BUDGET_SPENT:
            expect(self._units()[day] + PRICE > self.plan.daily_units, '"budget spent", and units are left')
        if ending is Ending.DAY_CLOSED:
            expect(self.api.refused[day], '"day closed", and the API has never said so')

    def _units(self) -> dict[date, int]:
        rows = self.database.rows("SELECT day, units_reserved FROM quota_days")
        days = {date.fromisoformat(str(day)): int(units) for day, units in rows}
        return {
            day: days.get(day, 0) for day in {*days, *self.api.booked, quota_calendar.quota_day(self.clock.true_now())}
        }

    def _judge(self) -> None:
        plan = self.plan
        states = dict(self.database.rows("SELECT video_id, state FROM videos"))
        truth = {
            video_id: VideoState.FAILED
            if video_id in plan.poison
            else VideoState.MISSING
            if video_id in plan.missing
            else VideoState.FETCHED
            for video_id in plan.ids
        }
        untrue = [(i, VideoState(states[i]).label, truth[i].label) for i in plan.ids if states[i] != truth[i]]
        expect(not untrue, f"{len(untrue)} ids in an untrue state (id, state, truth): {untrue[:5]}")
        self._judge_units()
        for (day,) in self.database.rows("SELECT day FROM quota_days WHERE closed_by_server_at IS NOT NULL"):
            closed = date.fromisoformat(str(day))
            # A clock that was behind names a day that is over.
            closed_by_api = self.api.refused[closed] or (plan.clock_sets and max(self.api.refused) > closed)
            expect(closed_by_api, f"{day} was closed, and the API has never said so")
        self._judge_calls()
        with closing(self.database.reader()) as reader:
            findings = reader.findings()
        expect(not findings, f"the ledger is not consistent: {findings}")

    def _judge_units(self) -> None:
        abandoned = dict(
            self.database.rows("SELECT quota_day, count(*) FROM calls WHERE state = 'abandoned' GROUP BY quota_day")
        )
        abandoned = {date.fromisoformat(str(day)): number for day, number in abandoned.items()}
        for day, units in self._units().items():
            seen, over = self.api.booked[day] * PRICE, abandoned.get(day, 0) * PRICE
            expect(units <= self.plan.daily_units, f"{units} units booked on {day} of {self.plan.daily_units}")
            # What a death took with it may have been paid for and never sent.
            gone, come = self._misbooked(day)
            expect(
                seen - gone <= units <= seen + over + come,
                f"{units} units booked on {day}, the API saw {seen}; of {gone} it said the time too late",
            )

    def _misbooked(self, day: date) -> tuple[int, int]:
        """The units that a wrong clock may have booked on other days than this, and on this instead of others."""
        if not self.plan.clock_sets:
            return 0, 0
        gone = self._blind[day] * PRICE
        return gone, self._blind.total() * PRICE - gone

    def _judge_calls(self) -> None:
        plan, videos = self.plan, len(self.plan.ids)
        base = math.ceil(videos / 50)
        halvings = math.ceil(math.log2(min(50, videos))) if videos > 1 else 0
        poison = sum(calls_for(kind, halvings, plan.max_attempts) for kind in plan.poison.values())
        probes = sum(result.report.wasted[PROBE] for result in self.results)
        # A run that continues after a quota reset begins anew with its evidence, as the next run would.
        restarts = len(self.results) + max(0, len(self.api.booked) - 1)
        if plan.only_poison and all(run.max_calls is None for run in plan.runs) and restarts == 1:
            most = base + poison
        else:
            lost = self._lost()
            most = (base + poison) * restarts + 3 * self.api.troubles + 2 * probes + 2 * lost
        expect(self.api.calls <= most, f"{self.api.calls} calls (probes: {probes}), at most {most} were to be expected")

    def _lost(self) -> int:
        return int(self.database.rows("SELECT count(*) FROM calls WHERE state = 'abandoned'")[0][0])


def calls_for(kind: str, halvings: int, max_attempts: int) -> int:
    """The most calls that one id of this kind may cost beyond those of its batch, as docs/reliability.md says."""
    if kind in ("503", "timeout", "cut_json"):
        return 2 * halvings + 2 * max_attempts + 4
    return 2 * halvings + 3


async def _ended(task: asyncio.Future[RunReport]) -> tuple[int | None, HarvesterError | None]:
    try:
        await task
    except (Died, asyncio.CancelledError):
        return None, None
    except HarvesterError as error:
        return error.exit_code, error
    return 0, None


def play(seed: int, database: Database) -> str | None:
    """What is wrong with this crawl, if anything."""
    loop = VirtualLoop()
    loop.set_exception_handler(lambda *_: None)
    database.renew()
    crawl = FuzzCrawl(make_plan(seed), database, loop)
    machine = SimpleNamespace(now=lambda zone: datetime.now(zone) + crawl.clock.ahead)
    try:
        with patch.object(connection, "datetime", machine):
            loop.run_until_complete(crawl.play())
    except Wrong as wrong:
        return f"{wrong}\n{_shown(crawl)}"
    except BaseException:  # noqa: BLE001 (whatever it is, the seed is what matters)
        return f"{traceback.format_exc()}\n{_shown(crawl)}"
    finally:
        _close(loop)
    return None


def _close(loop: VirtualLoop) -> None:
    loop.close_soon()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        with suppress(AssertionError):
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()


def _shown(crawl: FuzzCrawl) -> str:
    plan = crawl.plan
    lines = [
        f"  {len(plan.ids)} ids, {plan.workers} workers, {plan.max_attempts} attempts, "
        f"patience {plan.patience_seconds:.0f} s, {plan.daily_units} units a day, latency {plan.latency_seconds} s",
        f"  poison {[(plan.ids.index(i), kind) for i, kind in plan.poison.items()]}",
        f"  passing {plan.passing}, definite {plan.definite}, pushes {plan.pushes}, untrue {plan.quota_untrue}",
        f"  {plan.outages} {plan.spent_elsewhere}",
        f"  clock {[(round(at), str(ahead)) for at, ahead in plan.clock_sets]}",
    ]
    for result in crawl.results:
        report = result.report
        lines.append(
            f"  run {result.began:.1f}..{result.ended:.1f}: exit {result.code} {report.ending} calls {report.calls} "
            f"good {report.good} split {report.split} failed {report.failed} {dict(report.wasted)} {result.how}"
        )
    return "\n".join(lines)


def play_many(kind: str, seeds: Sequence[int]) -> list[tuple[int, str]]:
    logging.disable(logging.CRITICAL)
    gc.disable()
    database = DATABASES[kind]()
    gc.freeze()
    wrong = []
    try:
        for number, seed in enumerate(seeds):
            if (what := play(seed, database)) is not None:
                wrong.append((seed, what))
            if number % 100 == 0:
                gc.collect()
    finally:
        database.close()
        gc.unfreeze()
        gc.enable()
        logging.disable(logging.NOTSET)
    return wrong


def _in_processes(kind: str, seeds: range) -> Iterator[list[tuple[int, str]]]:
    size = 250
    chunks = [(kind, seeds[start : start + size]) for start in range(0, len(seeds), size)]
    workers = min(len(chunks), os.cpu_count() or 1)
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        yield from pool.starmap(play_many, chunks, chunksize=1) if workers > 1 else [play_many(*c) for c in chunks]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, help="replay this one")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--crawls", type=int)
    parser.add_argument("--database", choices=sorted(DATABASES), default="sqlite")
    args = parser.parse_args()
    crawls = args.crawls or (CRAWLS if args.database == "sqlite" else CRAWLS_ON_A_SERVER)
    seeds = range(args.seed, args.seed + 1) if args.seed is not None else range(args.first, args.first + crawls)
    began = time.monotonic()
    in_one = args.database != "sqlite" or len(seeds) == 1
    found = [play_many(args.database, seeds)] if in_one else _in_processes(args.database, seeds)
    wrong = [one for chunk in found for one in chunk]
    for seed, what in wrong[:20]:
        print(f"SEED={seed}: {what}")
    print(f"{len(seeds):,} crawls on {args.database} in {time.monotonic() - began:.0f} s, {len(wrong)} wrong")
    if wrong:
        print("Replay one: make fuzz-crawl SEED=" + str(wrong[0][0]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
