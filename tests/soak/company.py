"""Runs at once on one ledger, one of them killed every second and replaced: python tests/soak/company.py

They spend one day's budget to the unit. What counts is what the simulated API counted. The budget is as much as they
can spend in so many seconds; on a busy machine it takes them longer. `--downs` lets the ledger's server down so many
times, instead of killing a run. `--ledger` is the address of an empty ledger that
`harvester init` has made; by default it is on a server of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledgers import PLACES, Given, Place
from life import begin, give_verdict, kill
from sqlalchemy import select

from harvester.app import Harvester
from harvester.config import Config, isolated_config
from harvester.errors import OutsideError
from harvester.ledger.open import open_reader
from harvester.ledger.schema import calls
from harvester.model import CallState, Progress, VideoState
from harvester.rehearsal import START, ScaledClock
from harvester.report.result_types import Check
from harvester.simulator import SimulatorProcess, SimulatorSettings, make_ids, truth
from harvester.support.addresses import name_of
from harvester.support.secret import Secret

UNITS = 11
BETWEEN_KILLS_SECONDS = 1.0
# Less than a call's units, so that the day ends with some that nobody can spend.
OVER = 10


@dataclass(frozen=True)
class LedgerReader:
    """What the ledger says when all is over."""

    progress: Progress
    findings: list[str]
    states: dict[str, VideoState]
    lost: set[str]
    """The ids of calls that were under way in runs that were killed."""

    @property
    def abandoned(self) -> int:
        return sum(day.abandoned for day in self.progress.days)

    @property
    def ok(self) -> int:
        return sum(day.ok for day in self.progress.days)


class Company:
    """`runs` runs with `concurrency` calls under way each, for at least so many seconds."""

    def __init__(
        self,
        folder: Path,
        place: Place,
        *,
        runs: int,
        seconds: int,
        downs: int,
        concurrency: int,
        latency_ms: int,
        seed: int,
    ) -> None:
        self.killed = 0
        self.without_server = 0
        """Runs that found the server down when they began, or ended."""
        self._folder = folder
        self._place = place
        self._down_at = {number * seconds // (downs + 1) for number in range(1, downs + 1)}
        self._runs = runs
        self._seconds = seconds
        self._concurrency = concurrency
        self._latency_seconds = latency_ms / 1000
        self._chance = random.Random(seed)
        # A day that no midnight ends.
        self._clock = ScaledClock(START, speed=1)
        self._calls = int(runs * concurrency * seconds / self._latency_seconds)
        self._ids = list(make_ids(seed, 50 * (self._calls + runs * concurrency)))
        self._seed = seed

    def play(self) -> list[Check]:
        (self._folder / "songs.txt").write_text("\n".join(self._ids), encoding="ascii")
        settings = SimulatorSettings(
            seed=self._seed,
            daily_units=self._calls * UNITS + OVER,
            latency_seconds=self._latency_seconds,
            clock_start=self._clock.now(),
        )
        with SimulatorProcess(settings) as simulator:
            config = self._config(simulator.base_url, settings.daily_units)
            asyncio.run(self._harvester(config).load())
            self._crawl(config, simulator)
            return self._checks(simulator.report(), set(simulator.delivered(more=1)))

    def _config(self, base_url: str, daily_units: int) -> Config:
        return isolated_config(
            {
                "source": {"uri": str(self._folder / "songs.txt")},
                "ledger": {"url": self._place.url},
                "youtube": {"base_url": base_url},
                "quota": {"daily_units": daily_units},
                "run": {"concurrency": self._concurrency},
            }
        )

    def _harvester(self, config: Config) -> Harvester:
        return Harvester(config, self._clock, random.Random(self._chance.random()), Secret("any-key"))

    def _crawl(self, config: Config, simulator: SimulatorProcess) -> None:
        def start() -> int:
            # Where the server goes down, runs have their minute to come back.
            return begin(self._harvester(config), by_connection=not self._down_at)

        pids = [start() for _ in range(self._runs)]
        while simulator.report()["calls"] < self._runs * self._concurrency:
            time.sleep(0.01)
        began = time.monotonic()
        for number in range(1, self._seconds):
            time.sleep(max(0.0, began + number * BETWEEN_KILLS_SECONDS - time.monotonic()))
            if number in self._down_at:
                self._place.let_down()
                continue
            self._note(kill(pids.pop(self._chance.randrange(len(pids)))), -signal.SIGKILL)
            pids.append(start())
        # The day's last run finds nothing to spend, and takes back what is left of the dead.
        for pid in (*pids, None):
            self._note(os.waitpid(pid or start(), 0)[1], 0)

    def _note(self, status: int, expected: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        self.killed += code == -signal.SIGKILL
        self.without_server += code == OutsideError.exit_code
        if code != expected and not (self._down_at and code == OutsideError.exit_code):
            raise SystemExit(f"seed {self._seed}: a run ended with {code} instead of {expected}")

    def _read(self) -> LedgerReader:
        with open_reader(self._place.url) as reader:
            states = dict(reader.states())
            spans = select(calls.c.first_position, calls.c.last_position).where(calls.c.state == CallState.ABANDONED)
            lost = {video_id for first, last in reader._db.execute(spans) for video_id in self._ids[first - 1 : last]}
            return LedgerReader(reader.progress(), reader.findings(), states, lost)

    def _checks(self, report: dict[str, Any], twice: set[str]) -> list[Check]:
        """`twice` are the ids that the API delivered more than once, or the first thousand of them."""
        reader = self._read()
        (day,) = reader.progress.days
        (units,) = (counted["units"] for counted in report["days"].values())
        ids, videos = report["ids"], reader.progress.videos
        settled = {video_id: state for video_id, state in reader.states.items() if state != VideoState.PENDING}
        untrue = sum(state.label != truth(video_id, self._seed) for video_id, state in settled.items())
        never_sent = day.calls - report["calls"]
        unheard = report["good"] - reader.ok + report["gone"]
        under_way = self.killed * self._concurrency
        return [
            Check(
                "the day spent to the unit, and not one over it",
                day.units == self._calls * UNITS and report["refused_by_quota"] == 0,
                f"{day.units:,} of {self._calls * UNITS + OVER:,} units by the ledger, {units:,} by the API",
            ),
            Check(
                "the API's calls + those paid and never sent = the ledger's",
                units == report["calls"] * UNITS and reader.abandoned == unheard + never_sent and never_sent >= 0,
                f"{report['calls']:,} + {never_sent} = {day.calls:,}; {unheard} sent and their answers lost",
            ),
            Check(
                "kills cost the calls under way",
                reader.abandoned <= under_way and reader.ok + reader.abandoned == day.calls,
                f"{reader.abandoned} calls abandoned, at most {under_way}",
            ),
            Check(
                "0 ids lost",
                list(reader.states) == self._ids
                and len(settled) == 50 * reader.ok
                and videos[VideoState.CLAIMED] == 0
                and ids["delivered_once"] + ids["delivered_more"] >= len(settled),
                f"{len(settled):,} settled, {videos[VideoState.PENDING]:,} pending, {len(self._ids):,} loaded",
            ),
            Check(
                "0 delivered twice but what was under way in the killed",
                twice <= reader.lost and ids["delivered_more"] <= len(reader.lost),
                f"{ids['delivered_once']:,} once, {ids['delivered_more']:,} more often, {len(reader.lost):,} under way",
            ),
            Check("every id in its true state", untrue == 0, f"{untrue} untrue"),
            Check("the ledger is consistent", not reader.findings, "; ".join(reader.findings)),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python tests/soak/company.py", description=__doc__)
    parser.add_argument("--database", choices=sorted(PLACES), default="postgres")
    parser.add_argument("--ledger", help="instead of one of its own")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--downs", type=int, default=0)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--latency-ms", type=int, default=500)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = vars(parser.parse_args())
    database, url = arguments.pop("database"), arguments.pop("ledger")
    print(f"seed {arguments['seed']}, {arguments['runs']} runs on {name_of(url) if url else database}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="harvester-company-") as folder, ExitStack() as own:
        place = own.enter_context(closing(Given(url) if url else PLACES[database](Path(folder))))
        company = Company(Path(folder), place, **arguments)
        checks = company.play()
    seconds = time.monotonic() - began
    print(f"{company.killed} killed, {company.without_server} without a server, {seconds:.0f} s")
    give_verdict(checks)


if __name__ == "__main__":
    main()
