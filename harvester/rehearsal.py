"""A rehearsal: the real code against the simulated API, on a simulated clock that both share.

Each simulated day is one `run`, as cron would start it; between them the clocks jump to the next day. The result
is computed from what the simulated API counted, not from what harvester believes.
"""

from __future__ import annotations

import asyncio
import math
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from harvester import quota_calendar
from harvester.app import Harvester
from harvester.config import Config, isolated_config
from harvester.crawl.fault_attribution import PROBE
from harvester.crawl.run_report import Ending, RunReport
from harvester.errors import ConfigError, InconsistentLedger, OutsideError
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.listing_types import MAX_ITEMS, PAGE_SIZE, ListingKind, Target
from harvester.model import BATCH_SIZE, Progress, VideoState
from harvester.report.listings import Listings
from harvester.report.result_types import Check, DayReport
from harvester.simulator import SimulatedClock, SimulatorProcess, SimulatorSettings, channel_named, make_ids, truth
from harvester.support.progress_callback import Advance, ProgressCallback, no_progress
from harvester.support.sanitize import count
from harvester.support.secret import Secret

START = datetime(2026, 3, 5, 8, 5, tzinfo=UTC)
"""Five minutes into a quota day, three days before a night on which the clocks change."""
SPEED = 200.0
"""Simulated seconds in a real one: waits are short, and a day is still longer than its calls take."""
CRON_DELAY = timedelta(minutes=5)
RERUN_AFTER = timedelta(hours=1)
"""How long to wait before the next run, when one ended because the API was down."""
TIMEOUT_SECONDS = 15.0
"""Real ones: as much as each answer costs that never comes, and as a busy machine may need for the others."""
MARKER = ".harvester-rehearsal"
"""Only a folder that holds this file is emptied."""
CHANNEL_UPLOADS = 30_000
"""Uploads of a rehearsed channel at most: more than the API gives of one."""
UPLOADS_A_DAY = 60
"""New uploads of a small channel on each day: more than a page."""
DISCOVERY_DAYS = 3
UNKNOWN_HANDLE = "@nobody"
SOURCE, LEDGER, EXPORT, CONFIG = "songs.csv", "harvest.db", "songs.json.gz", "config.toml"
_SETTINGS = f"""\
# The settings of this rehearsal, for other commands in this folder. The simulated API has ended.
[source]
uri = "{SOURCE}"

[ledger]
url = "sqlite:///{LEDGER}"

[youtube]
base_url = "{{}}"

[export]
uri = "{EXPORT}"
compression = "gzip"
"""


class ScaledClock(SimulatedClock):
    """A simulated clock for harvester: sleeps are shorter by the clock's speed."""

    def __init__(self, start: datetime, speed: float) -> None:
        super().__init__(start, speed)
        self._start = start

    def monotonic(self) -> float:
        return (self.now() - self._start).total_seconds()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self._speed)


class Rehearsal:
    """One rehearsal in its own folder. It reads no settings and no variables, so it never meets the real ledger."""

    def __init__(self, folder: Path, *, videos: int, seed: int, faults: str) -> None:
        self._folder = folder.absolute()
        self._videos = videos
        self._seed = seed
        self._faults = faults
        self._clock = ScaledClock(START, SPEED)
        self._runs = self._split = self._failed = self._probes = self._timeouts = 0
        self._run = RunReport()
        self._settled = 0
        """Ids that the runs before the current one settled."""

    async def play(self, on_day: Callable[[DayReport], None], on_export: ProgressCallback = no_progress) -> list[Check]:
        """Crawl, export and verify. Returns the promises, each kept or broken. `on_day` is called as each day ends.

        `on_export` is the progress of the export and its verification; `progress` is that of the crawl.
        """
        self._make_folder()
        settings = SimulatorSettings(
            seed=self._seed,
            faults=self._faults,  # type: ignore[arg-type]
            clock_start=self._clock.now(),
            clock_speed=SPEED,
        )
        with SimulatorProcess(settings) as simulator:
            (self._folder / CONFIG).write_text(_SETTINGS.format(simulator.base_url), encoding="utf-8")
            config = self._config(simulator.base_url)
            rng, key = random.Random(self._seed), Secret("rehearsed-key")
            harvester = Harvester(config, self._clock, rng, key, proxies=False)
            await self._name_ids(harvester)
            progress = await self._crawl(harvester, simulator, on_day)
            report = simulator.report()
        manifest = harvester.export(progress=lambda advance: on_export(replace(advance, note="exporting")))
        finding = ""
        try:
            harvester.verify(config.export.uri, progress=lambda advance: on_export(replace(advance, note="verifying")))
        except InconsistentLedger as error:
            finding = error.what
        detail = finding or f"{count(manifest.videos, 'video')} exported"
        consistent = Check("the ledger and the export are consistent", not finding, detail)
        return [*self._checks(report, progress, config), consistent]

    def progress(self) -> Advance:
        """The progress of the crawl."""
        run, day = self._run, quota_calendar.quota_day(self._clock.now())
        settled = self._settled + run.settled
        return Advance(
            settled,
            max(settled, self._videos),
            note=f"day {day}, {count(run.calls, 'call')}, {run.wasted.total():,} wasted",
        )

    async def _name_ids(self, harvester: Harvester) -> None:
        await harvester.load()

    async def _begin_day(self, harvester: Harvester, day: date) -> None:
        """Do what comes before the runs of a day."""

    def _has_unread_listings(self) -> bool:
        """Whether channels or playlists wait for another run."""
        with SqliteReader(self._folder / LEDGER) as reader:
            return bool(Listings(reader.listings()).unfinished)

    def _is_over(self, day: date) -> bool:
        """Whether a day on which every id is settled is the last."""
        return True

    async def _crawl(
        self, harvester: Harvester, simulator: SimulatorProcess, on_day: Callable[[DayReport], None]
    ) -> Progress:
        """Run once a day until no id is left, and again on the same day after an outage or a failed listing."""
        plan = harvester.plan(self._videos)
        runs_most = 3 * plan.days + 10
        for _ in range(runs_most):
            day = quota_calendar.quota_day(self._clock.now())
            await self._begin_day(harvester, day)
            self._run = report = RunReport()
            try:
                progress = await harvester.run(report)
                again = report.ending is Ending.NOTHING_LEFT and self._has_unread_listings()
            except OutsideError:
                progress, again = harvester.verify(), True
            now = self._clock.now()
            again_at = now + RERUN_AFTER if again else quota_calendar.resets_at(now) + CRON_DELAY
            self._runs += 1
            self._split += report.split
            self._failed += report.failed
            self._probes += report.wasted[PROBE]
            self._timeouts += report.wasted["timeout"]
            self._run, self._settled = RunReport(), progress.settled
            if (line := progress.day(day)) is not None:
                wasted = line.calls - line.ok
                done, known = progress.settled, progress.asked_for
                on_day(DayReport(day, line.calls, line.units, line.fetched, line.missing, wasted, done, known))
            if progress.settled == progress.asked_for and not again and self._is_over(day):
                return progress
            simulator.jump_clock(again_at)
            self._clock.jump_to(again_at)
        unsettled = progress.asked_for - progress.settled
        raise InconsistentLedger(
            f"After {runs_most} runs, {count(unsettled, 'id', 'is')} still not settled.",
            state=f"The rehearsed ledger is in {self._folder}.",
        )

    # --- the folder

    def _make_folder(self) -> None:
        if self._folder.exists():
            if any(self._folder.iterdir()) and not (self._folder / MARKER).exists():
                raise ConfigError(
                    f"{self._folder} holds something that is no rehearsal.",
                    state="It was left as it is.",
                    next_step="Name another folder with --out.",
                )
            shutil.rmtree(self._folder)
        self._folder.mkdir(parents=True)
        (self._folder / MARKER).write_text("Made by harvester rehearse, which empties this folder each time.\n")
        with (self._folder / SOURCE).open("w", encoding="ascii") as file:
            file.write("user,song\n")
            for index, video_id in enumerate(make_ids(self._seed, self._videos)):
                file.write(f"{index},{video_id}\n")

    def _config(self, base_url: str) -> Config:
        return isolated_config(
            {
                "source": {"uri": str(self._folder / SOURCE)},
                "ledger": {"url": f"sqlite:///{self._folder / LEDGER}"},
                "youtube": {"base_url": base_url},
                "run": {"timeout_seconds": TIMEOUT_SECONDS},
                "export": {"uri": str(self._folder / EXPORT), "compression": "gzip"},
            }
        )

    # --- the result

    def _checks(self, report: dict[str, Any], progress: Progress, config: Config) -> list[Check]:
        """The promises, by what the simulated API counted."""
        units = max(day["units"] for day in report["days"].values())
        over = sum(day["refused_by_quota"] for day in report["days"].values())
        limit = config.quota.daily_units
        ids = report["ids"]
        untrue = self._untrue_states()
        faulted = sum(report["faulted"].values())
        # Halving a batch makes one call more; an id given up alone never gets its good answer.
        extra = self._split - self._failed
        good = report["good"] - self._probes
        least = self._least_calls(good - extra)
        wasted = report["calls"] - least - extra
        answered = ids["delivered_once"] + ids["delivered_more"]
        # A probe asks for an id that has been answered, or, before the first of them, for the well-known one.
        shown_in = report["keys_in_urls"]
        foreign = min(1, self._probes)
        late = self._late(report)
        states = ", ".join(f"{progress.videos[s]:,} {s.label}" for s in (VideoState.FETCHED, VideoState.MISSING))
        return [
            Check(
                "no day over its budget",
                units <= limit and over == 0,
                f"at most {units:,} of {count(limit, 'unit')} a day, {count(over, 'call')} refused for it",
            ),
            Check(
                "no id lost",
                self._videos <= ids["distinct"] <= self._videos + foreign
                and self._videos <= answered + self._failed <= self._videos + foreign,
                f"{min(answered, self._videos - self._failed):,} of {count(self._videos, 'id')} answered, "
                f"{self._failed:,} given up",
            ),
            Check(
                "no id answered twice",
                ids["delivered_more"] <= self._probes + BATCH_SIZE * late,
                f"{ids['delivered_more']} answered twice"
                + (f", {self._probes} by probes" if self._probes else "")
                + (f", {count(late, 'answer')} too late" if late else ""),
            ),
            Check("every id in its true state", untrue == 0, f"{states}; {untrue} untrue"),
            Check(
                "the fewest calls",
                0 <= good - least - extra <= late,
                f"{report['calls']:,} = {least:,} for full batches + {wasted:,} wasted on {count(faulted, 'fault')} "
                f"and {count(report['refused'], 'refusal')} + {extra:,} for halves",
            ),
            Check("the key in no address", not shown_in, f"{count(shown_in, 'address', 'shows')} it"),
        ]

    def _late(self, report: dict[str, Any]) -> int:
        """The number of calls whose answer was sent and came too late, as may happen on a machine that is too busy."""
        without_answer: int = report["faulted"].get("hang", 0) + report["gone"]
        return max(0, self._timeouts - without_answer)

    def _least_calls(self, made: int) -> int:
        """Return how many good calls are needed at least, where `made` were."""
        return math.ceil(self._videos / BATCH_SIZE)

    def _untrue_states(self) -> int:
        """The number of ids whose state in the ledger differs from that in the simulated API."""
        with SqliteReader(self._folder / LEDGER) as reader:
            return sum(
                state.label != truth(video_id, self._seed, self._faults)  # type: ignore[arg-type]
                for video_id, state in reader.states()
            )


class ChannelsRehearsal(Rehearsal):
    """A rehearsal that finds its videos by `discover`: in channels that grow, and in a user's playlist.

    It goes on for DISCOVERY_DAYS at least, and each day looks for new uploads.
    """

    def __init__(self, folder: Path, *, videos: int, seed: int, faults: str) -> None:
        super().__init__(folder, videos=videos, seed=seed, faults=faults)
        sizes = [min(CHANNEL_UPLOADS, videos - start) for start in range(0, videos, CHANNEL_UPLOADS)]
        growth = [UPLOADS_A_DAY if size <= MAX_ITEMS // 2 else 0 for size in sizes]
        names = zip(sizes, growth, strict=True)
        found = [channel_named(f"songs{index}-{size}-{more}") for index, (size, more) in enumerate(names)]
        self._channels = [channel for channel in found if channel is not None]
        self._mixed = self._channels[-1]
        """The channel whose videos are in a user's playlist too."""
        self._days: list[date] = []

    async def _name_ids(self, harvester: Harvester) -> None:
        channels = [Target(ListingKind.CHANNEL, f"@{channel.name}") for channel in self._channels]
        unknown = Target(ListingKind.CHANNEL, UNKNOWN_HANDLE)
        await harvester.discover([*channels, unknown, Target(ListingKind.PLAYLIST, self._mixed.mixed_playlist)])

    async def _begin_day(self, harvester: Harvester, day: date) -> None:
        if day not in self._days:
            await harvester.discover([], again=bool(self._days))
            self._days.append(day)

    def _is_over(self, day: date) -> bool:
        return len(self._days) >= DISCOVERY_DAYS

    def _expected(self) -> set[str]:
        """The videos that the API has listed: of a channel with more than MAX_ITEMS, the newest."""
        newest = [(channel, channel.size(len(self._days) - 1)) for channel in self._channels]
        return {
            video_id
            for channel, size in newest
            for video_id in channel.video_ids(self._seed, range(max(0, channel.uploads - MAX_ITEMS), size))
        }

    def _least_calls(self, made: int) -> int:
        # Each run's last batch may be a small one.
        full = math.ceil(self._videos / BATCH_SIZE)
        return min(max(made, full), full + self._runs - 1)

    def _pages(self) -> int:
        """The fewest pages: all of the first day; then those with new uploads and one of known ones, or all of the
        user's playlist."""
        whole = [min(channel.uploads, MAX_ITEMS) for channel in self._channels]
        again = [math.ceil(channel.a_day / PAGE_SIZE) + 1 for channel in self._channels]
        mixed = [self._mixed.size(day) for day in range(len(self._days))]
        return sum(math.ceil(items / PAGE_SIZE) for items in [*whole, *mixed]) + sum(again) * (len(self._days) - 1)

    def _checks(self, report: dict[str, Any], progress: Progress, config: Config) -> list[Check]:
        expected = self._expected()
        self._videos = len(expected)
        with SqliteReader(self._folder / LEDGER) as reader:
            found = {video_id for video_id, _ in reader.states()}
            units = reader.units_by_endpoint()
        asked = report["endpoints"]
        pages, fewest = asked["playlistItems.list"]["good"], self._pages()
        of_videos = {**asked["videos.list"], "days": report["days"], "ids": report["ids"]}
        lost, unknown = len(expected - found), len(found - expected)
        videos = f"{count(len(found), 'video')} of {count(len(self._channels), 'channel')}"
        charged = {name: counts["units"] for name, counts in asked.items()}
        return [
            Check("every listed video found", found == expected, f"{videos}, {lost} lost, {unknown} unknown"),
            Check(
                "the fewest pages",
                0 <= pages - fewest <= self._late(report),
                f"{count(pages, 'page')} of {PAGE_SIZE}, {fewest:,} needed",
            ),
            Check(
                "units as the API counts them",
                units == charged,
                ", ".join(f"{name} {number:,}" for name, number in sorted(units.items())),
            ),
            *super()._checks(report | of_videos, progress, config),
        ]
