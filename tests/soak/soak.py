"""Two weeks of cron on a machine that keeps dying: `make soak`, and `make soak SEED=7` to replay one.

Each run is a real process of its own, killed with SIGKILL at a named point or at any moment, against the simulated API
at its most hostile, under a clock that is set ahead and back by minutes, hours and days. What counts is what that API
counted, by its own clock. `make soak DATABASE=postgres` has the ledger on a server, which is let down under some of the
runs; these must go on. Some of the ids come by `discover`, and kills on those days are among their pages.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from channels import Channels
from clocks import SetClock
from deaths import BEFORE_A_RETRY, Death, draw
from ledgers import PLACES, Place
from life import begin, give_verdict, kill

from harvester import quota_calendar
from harvester.app import Harvester
from harvester.config import Config, isolated_config
from harvester.crawl import api_clock
from harvester.errors import OutsideError
from harvester.ledger.open import open_reader
from harvester.listing_types import ListingRecord, ListingState
from harvester.rehearsal import RERUN_AFTER, SPEED, START
from harvester.report.result_types import Check
from harvester.simulator import FaultPlan, SimulatorProcess, SimulatorSettings, make_ids, truth
from harvester.support.secret import Secret

FAULTS = "hostile"
RUN_SECONDS_MOST = 120.0
PROVE_EVERY = 20
"""Kills between two proofs of the ledger."""
UNITS = 11
CRON_DELAY = timedelta(minutes=15)
"""After the reset. A clock that is off by less than ten minutes is taken for right."""
MOST_VISITS_OF_PAGES = 10
"""A day has few pages, and they come first."""
HALVINGS_MOST = 13
"""Good and refused calls that one id at fault may cost on the way to standing alone."""


@dataclass
class Counters:
    """What befell the runs."""

    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    among_pages: int = 0
    """Kills while channels and playlists were being read."""
    outages: int = 0
    downs: int = 0
    """Times that the ledger's server was let down."""
    proofs: int = 0

    @property
    def killed(self) -> int:
        return self.kills.total()


class Soak:
    """One crawl to its end. `kills` are spread evenly over `days`; `downs`, of the ledger's server, over the kills."""

    def __init__(
        self,
        folder: Path,
        place: Place,
        *,
        videos: int,
        days: int,
        kills: int,
        downs: int,
        seed: int,
        daily_units: int,
        concurrency: int,
    ) -> None:
        self.tally = Counters()
        self._folder = folder
        self._place = place
        self._downs = downs
        self._channels = Channels(seed, videos, days)
        self._loaded = list(make_ids(seed, videos - self._channels.count))
        self._kills_a_day = -(-kills // days)
        self._kills = kills
        self._seed = seed
        self._daily_units = daily_units
        self._concurrency = concurrency
        self._chance = random.Random(seed)
        self.clock = SetClock(START, SPEED, random.Random(f"clock {seed}"))
        self._first_day = self._last_day = quota_calendar.quota_day(START)
        self._begun = -1
        """The last day on which something could be discovered."""
        self._calls_a_day = daily_units // UNITS

    def play(self) -> list[Check]:
        (self._folder / "songs.txt").write_text("\n".join(self._loaded), encoding="ascii")
        settings = SimulatorSettings(
            seed=self._seed,
            faults=FAULTS,
            daily_units=self._daily_units,
            latency_seconds=0.005,
            clock_start=self.clock.true_now(),
            clock_speed=SPEED,
        )
        with SimulatorProcess(settings) as simulator:
            config = self._config(simulator.base_url)
            asyncio.run(self._harvester(config).load())
            self._crawl(config, simulator)
            report = simulator.report()
        return self._checks(report)

    def _config(self, base_url: str) -> Config:
        return isolated_config(
            {
                "source": {"uri": str(self._folder / "songs.txt")},
                "ledger": {"url": self._place.url},
                "youtube": {"base_url": base_url},
                "quota": {"daily_units": self._daily_units},
                "run": {"timeout_seconds": 2, "concurrency": self._concurrency},
            }
        )

    def _harvester(self, config: Config) -> Harvester:
        return Harvester(config, self.clock, random.Random(self._chance.random()), Secret("soaked-key"))

    def _crawl(self, config: Config, simulator: SimulatorProcess) -> None:
        kills_today = 0
        self._begin_day(config)
        while self._unsettled() or self._to_be_read():
            pages = self._to_be_read()
            down = self.tally.downs * self._kills < self._downs * self.tally.killed
            # Few enough visits to a point for a day's calls to see all its kills.
            deadly = kills_today < self._kills_a_day and self.tally.killed < self._kills
            most_visits = max(2, self._calls_a_day // (self._kills_a_day + 1))
            if pages and kills_today < self._kills_a_day // 3:
                most_visits = min(most_visits, MOST_VISITS_OF_PAGES)
            at_a_point = deadly and self._chance.random() < 0.8
            death = draw(self._chance, most_visits, self.tally.kills) if at_a_point else None
            if death is not None and death.point == BEFORE_A_RETRY:
                simulator.script(*["503"] * death.visit)
            patience = self._chance.uniform(0.02, 0.6) if deadly and death is None else RUN_SECONDS_MOST
            status = self._run(config, death, patience, self._chance.uniform(0.02, 0.4) if down else None)
            self._last_day = quota_calendar.quota_day(self.clock.true_now())
            if os.WIFSIGNALED(status):
                self.tally.kills[death.point if death else "anywhere"] += 1
                kills_today += 1
                self.tally.among_pages += bool(pages and self._to_be_read())
                if self.tally.killed % PROVE_EVERY == 0:
                    self._prove()
                continue
            again_at = quota_calendar.resets_at(self.clock.true_now()) + CRON_DELAY
            if os.WEXITSTATUS(status) == OutsideError.exit_code:
                self.tally.outages += 1
                again_at = self.clock.true_now() + RERUN_AFTER
            elif os.WEXITSTATUS(status) != 0:
                raise SystemExit(f"seed {self._seed}: a run ended with {os.WEXITSTATUS(status)}")
            else:
                kills_today = 0
            simulator.jump_clock(again_at)
            self.clock.jump_to(again_at)
            self._begin_day(config)

    def _begin_day(self, config: Config) -> None:
        day = (quota_calendar.quota_day(self.clock.true_now()) - self._first_day).days
        if day == self._begun:
            return
        self._begun = day
        targets, again = self._channels.begin_day(day, self._listings())
        if targets:
            asyncio.run(self._harvester(config).discover(targets))
        if again:
            asyncio.run(self._harvester(config).discover([], again=True))

    def _listings(self) -> list[ListingRecord]:
        with open_reader(self._place.url) as reader:
            return reader.listings()

    def _to_be_read(self) -> int:
        return sum(listing.state in (ListingState.PENDING, ListingState.CLAIMED) for listing in self._listings())

    def _run(self, config: Config, death: Death | None, patience: float, down_after: float | None) -> int:
        """One process; its wait status. It dies its own death, or is killed when `patience` seconds are over."""
        self.tally.runs += 1
        self.clock.set_at_random()
        pid = begin(self._harvester(config), death)
        began = time.monotonic()
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return status
            age = time.monotonic() - began
            if age > patience:
                return kill(pid)
            if down_after is not None and age > down_after:
                down_after = None
                self.tally.downs += 1
                self._place.let_down()
            time.sleep(0.002)

    def _unsettled(self) -> int:
        with open_reader(self._place.url) as reader:
            progress = reader.progress()
        return progress.asked_for - progress.settled

    def _prove(self) -> None:
        self.tally.proofs += 1
        with open_reader(self._place.url) as reader:
            if findings := reader.findings():
                raise SystemExit(f"seed {self._seed}: after {self.tally.killed} kills: {findings}")

    def _checks(self, report: dict) -> list[Check]:  # type: ignore[type-arg]
        plan = FaultPlan(FAULTS, self._seed)
        with open_reader(self._place.url) as reader:
            findings = reader.findings()
            states = dict(reader.states())
            days = reader.progress().days
            of_channels = self._channels.checks(reader, report, set(self._loaded), self._begun)
        untrue = sum(state.label != truth(video_id, self._seed, FAULTS) for video_id, state in states.items())
        poison = sum(plan.poison_of(video_id) is not None for video_id in states)
        good = report["endpoints"]["videos.list"]["good"]
        in_flight = self.tally.killed * self._concurrency
        ids = report["ids"]
        answered = ids["delivered_once"] + ids["delivered_more"]
        spent = {day: count["units"] for day, count in report["days"].items()}
        # A call that was paid for may have been killed before it was sent.
        wrong = {
            day.day.isoformat()
            for day in days
            if not 0 <= day.units - spent.get(day.day.isoformat(), 0) <= day.abandoned * UNITS
        } | (set(spent) - {day.day.isoformat() for day in days})
        abandoned = sum(day.abandoned for day in days)
        unused = self._unused({day.day: day.units for day in days})
        needed = -(-len(states) // 50) + poison * HALVINGS_MOST
        return [
            Check("0 ids lost", answered + poison == len(states), f"{answered:,} answered, {poison} at fault"),
            Check(
                "none fetched twice but what was under way",
                ids["delivered_more"] <= in_flight * 50,
                f"{ids['delivered_more']:,} ids answered twice, at most {in_flight * 50:,}",
            ),
            Check(
                "0 units over any day's budget",
                max(spent.values()) <= self._daily_units,
                f"most {max(spent.values()):,}",
            ),
            Check(
                "each day's units exact by the API's count",
                not wrong,
                ", ".join(sorted(wrong)) or f"{sum(spent.values()):,} of {sum(day.units for day in days):,} sent",
            ),
            Check("no day left unused", not unused, ", ".join(map(str, unused)) or f"{len(days)} days"),
            Check(
                "calls wasted by kills at most kills x concurrency",
                abandoned <= in_flight and good <= needed + in_flight,
                f"{abandoned} abandoned, at most {in_flight}; {good:,} good calls for {needed:,} needed",
            ),
            *of_channels,
            Check("every id in its true state", untrue == 0, f"{untrue} untrue"),
            Check(
                "the ledger is consistent", not findings, "; ".join(findings) or f"proved {self.tally.proofs + 1} times"
            ),
        ]

    def _unused(self, units: dict[date, int]) -> list[date]:
        """The days of the real time, but the one on which the crawl was done, that would have paid one call more."""
        first = self._first_day
        days = [first + timedelta(days=number) for number in range((self._last_day - first).days)]
        return [day for day in days if units.get(day, 0) + UNITS <= self._daily_units]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--database", choices=sorted(PLACES), default="sqlite")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--videos", type=int, default=500_000)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--kills", type=int, default=240)
    parser.add_argument("--downs", type=int, help="of the ledger's server; by default one to ten kills")
    parser.add_argument("--daily-units", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=8)
    arguments = vars(parser.parse_args())
    database = arguments.pop("database")
    if arguments["downs"] is None:
        arguments["downs"] = arguments["kills"] // 10 if database == "postgres" else 0
    print(f"seed {arguments['seed']}, on {database}", flush=True)
    # It would say so in each run.
    logging.getLogger(api_clock.__name__).setLevel(logging.ERROR)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="harvester-soak-") as folder,
        closing(PLACES[database](Path(folder))) as place,
    ):
        soak = Soak(Path(folder), place, **arguments)
        checks = soak.play()
    tally = soak.tally
    print(f"{tally.runs} runs, {tally.killed} killed, {tally.outages} outages, {time.monotonic() - began:.0f} s")
    print(f"the clock set {soak.clock.times_set:,} times")
    print(f"{tally.among_pages} killed among pages")
    print("killed", ", ".join(f"{point} {count}" for point, count in tally.kills.most_common()))
    if tally.downs:
        print(f"the server let down under {tally.downs} runs")
    give_verdict(checks)


if __name__ == "__main__":
    main()
