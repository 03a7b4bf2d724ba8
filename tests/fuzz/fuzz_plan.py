"""What is planted for one crawl, all of it from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from harvester.simulator import make_ids

NOON = datetime(2026, 6, 2, 19, tzinfo=UTC)
BEFORE_MIDNIGHT = datetime(2026, 6, 3, 6, 58, tzinfo=UTC)
PRICE = 11
HOUR = 3600.0
CLOCKS_FROM = 1_000_000
"""From this seed on, somebody sets the clock of the crawl's machine."""

PASSING = ("503", "timeout", "cut_json", "html_502", "connect_failed")
DEFINITE = ("400", "id_twice", "unexpected_id", "bad_item")
PUSHES = ("429", "429_retry_after")
OUTAGES = ("503", "timeout", "connect_failed", "html_200", "404", "429", "429_for_900_s")
POISONS = ("503", "timeout", "cut_json", *DEFINITE)


@dataclass(frozen=True)
class Outage:
    """What every call gets from `start` to `end`, in seconds since the first run began."""

    start: float
    end: float
    kind: str


@dataclass(frozen=True)
class RunPlan:
    """How one run is disturbed."""

    dies_after_transactions: int | None = None
    after_commit: bool = False
    cancelled_after: float | None = None
    elsewhere: bool = False
    """On another host: its death is noticed by its lease."""
    until_done: bool = False
    max_calls: int | None = None
    at_once: int = 1
    """Runs beside each other."""

    @property
    def is_disturbed(self) -> bool:
        return self.dies_after_transactions is not None or self.cancelled_after is not None


@dataclass
class Plan:
    seed: int
    ids: tuple[str, ...]
    poison: dict[str, str]
    missing: frozenset[str]
    workers: int
    max_attempts: int
    patience_seconds: float
    daily_units: int
    start: datetime
    passing: float = 0.0
    definite: float = 0.0
    pushes: float = 0.0
    quota_untrue: float = 0.0
    latency_seconds: float = 0.5
    outages: list[Outage] = field(default_factory=list)
    spent_elsewhere: list[tuple[float, int]] = field(default_factory=list)
    """Seconds since the beginning, and units."""
    runs: list[RunPlan] = field(default_factory=list)
    clock_sets: list[tuple[float, timedelta]] = field(default_factory=list)
    """Seconds since the beginning, and how far the clock is ahead from then on."""

    @property
    def only_poison(self) -> bool:
        rates = self.passing + self.definite + self.pushes + self.quota_untrue
        disturbed = any(run.is_disturbed or run.at_once > 1 for run in self.runs)
        return not (rates or self.outages or self.spent_elsewhere or disturbed)


def make_plan(seed: int) -> Plan:
    rng = random.Random(seed)
    videos = rng.choice([rng.randint(1, 5), rng.randint(1, 60), rng.randint(1, 120), rng.randint(1, 300)])
    ids = tuple(make_ids(seed, videos))
    calls = -(-videos // 50)
    plan = Plan(
        seed,
        ids,
        poison=_poison(rng, ids),
        missing=frozenset(video_id for video_id in ids if rng.random() < 0.1),
        workers=rng.choice([1, 2, 3, 10, 50]),
        max_attempts=rng.choice([1, 2, 3, 5]),
        patience_seconds=rng.choice([30.0, 600.0, 600.0]),
        daily_units=10_000,
        start=rng.choice([NOON, NOON, BEFORE_MIDNIGHT]),
        latency_seconds=rng.choice([0.01, 0.5, 5.0]),
    )
    if len(plan.poison) <= 8 and rng.random() < 0.5:
        # Enough for each worker to prove that an id is at fault.
        plan.daily_units = PRICE * (rng.randint(1, calls + 10) + 8 * len(plan.poison) + 8)
    if rng.random() < 0.6:
        _trouble(plan, rng)
    plan.runs = [_run(rng) for _ in range(rng.choice([1, 1, 3, 6]))] if rng.random() < 0.4 else []
    if seed >= CLOCKS_FROM:
        plan.clock_sets = _clock_sets(rng)
    return plan


def _clock_sets(rng: random.Random) -> list[tuple[float, timedelta]]:
    """Far off, for what is off by less than ten minutes is taken for right; and now and then it is right."""
    sets = []
    at = rng.choice([0.0, rng.uniform(0, 60), rng.uniform(0, 24 * HOUR)])
    for _ in range(rng.randint(1, 5)):
        far = timedelta(minutes=rng.choice([-1, 1]) * rng.choice([rng.uniform(20, 120), rng.uniform(120, 3 * 24 * 60)]))
        sets.append((at, rng.choice([far, far, timedelta()])))
        at += rng.choice([rng.uniform(0, 60), rng.uniform(0, HOUR), rng.uniform(0, 24 * HOUR)])
    return sets


def _poison(rng: random.Random, ids: tuple[str, ...]) -> dict[str, str]:
    number = rng.choice([0, 1, 1, 1, 2, rng.randint(1, 8), len(ids) if rng.random() < 0.1 else 1])
    places = rng.choice([[0], [len(ids) - 1], rng.sample(range(len(ids)), min(number, len(ids)))])
    if number > 1:
        places = rng.sample(range(len(ids)), min(number, len(ids)))
    kinds = rng.choice([POISONS, POISONS, (rng.choice(POISONS),)])
    return {ids[place]: rng.choice(kinds) for place in places[:number]}


def _trouble(plan: Plan, rng: random.Random) -> None:
    # Where patience is short, faults that pass must be rare to be told from an outage.
    plan.passing = rng.choice([0.0, 0.03, 0.2 if plan.patience_seconds > 100 else 0.03])
    plan.definite = rng.choice([0.0, 0.0, 0.05])
    plan.pushes = rng.choice([0.0, 0.0, 0.1]) if plan.patience_seconds > 100 else 0.0
    plan.quota_untrue = rng.choice([0.0, 0.0, 0.03])
    start = 0.0
    for _ in range(rng.choice([0, 0, 1, 2])):
        start += rng.choice([0.0, rng.uniform(0, 20), rng.uniform(0, HOUR)])
        end = start + rng.choice([rng.uniform(1, 60), rng.uniform(60, 900), rng.uniform(0, 5 * HOUR)])
        plan.outages.append(Outage(start, end, rng.choice(OUTAGES)))
        start = end + 2 * HOUR
    if rng.random() < 0.2:
        plan.spent_elsewhere.append((rng.uniform(0, 30), rng.randint(0, plan.daily_units)))


def _run(rng: random.Random) -> RunPlan:
    match rng.randrange(6):
        case 0 | 1:
            return RunPlan(rng.randint(0, 40), rng.random() < 0.5, elsewhere=rng.random() < 0.3)
        case 2:
            return RunPlan(cancelled_after=rng.choice([rng.uniform(0, 3), rng.uniform(0, 100)]))
        case 3:
            return RunPlan(max_calls=rng.randint(1, 5))
        case 4:
            return RunPlan(until_done=True)
        case _:
            return RunPlan(at_once=rng.randint(2, 3))


RERUN_AFTER = timedelta(hours=1)
