"""Pictures of the report of a simulated crawl in four states: `python docs/site/reports.py FOLDER`.

It runs in the checkout's environment and takes the system's Chromium.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright

from harvester import quota_calendar
from harvester.app import Harvester
from harvester.config import isolated_config
from harvester.crawl.run_report import RunReport
from harvester.errors import HarvesterError
from harvester.rehearsal import START, ScaledClock
from harvester.simulator import SimulatorProcess, SimulatorSettings, make_ids
from harvester.support.secret import Secret

SEED, IDS, UNITS = 12, 14_000, 550
SPEED = 10.0
"""Simulated seconds in a real one: calls take what those of the real API take."""
KEY = "simulated-key"
PICTURES = {
    "report.png": ("crawling", 1440, 1110, "light"),
    "report-trouble.png": ("trouble", 768, 1040, "dark"),
    "report-done.png": ("done", 360, 1040, "light"),
    "report-empty.png": ("empty", 360, 1040, "dark"),
}
"""The state of the crawl, the window's width and height in pixels, the reader's colours."""


class Crawl:
    """A crawl of `songs` in a folder of its own, a run a day."""

    def __init__(self, folder: Path, simulator: SimulatorProcess, clock: ScaledClock) -> None:
        self.simulator, self.clock = simulator, clock
        values: Mapping[str, Mapping[str, object]] = {
            "source": {"uri": str(folder / "songs.txt")},
            "ledger": {"url": f"sqlite:///{folder / 'harvest.db'}"},
            "youtube": {"base_url": simulator.base_url},
            "quota": {"daily_units": UNITS},
        }
        self.harvester = Harvester(isolated_config(values), clock, random.Random(SEED), Secret(KEY), proxies=False)

    def days(self, most: int) -> None:
        """So many runs, or those until no id is left; each begins five minutes into its day."""
        for _ in range(most):
            progress = asyncio.run(self.harvester.run(RunReport()))
            if progress.settled == progress.asked_for:
                return
            self.jump(quota_calendar.resets_at(self.clock.now()) + timedelta(minutes=5))

    def jump(self, to: datetime) -> None:
        self.simulator.jump_clock(to)
        self.clock.jump_to(to)


def main(pictures: Path) -> None:
    """Take the pictures."""
    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser_path is None:
        raise SystemExit("no Chromium in the path: the pictures of the report stay as they were")
    with tempfile.TemporaryDirectory() as folder:
        write_reports(Path(folder))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            for name, (state, width, height, scheme) in PICTURES.items():
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                page.goto((Path(folder) / f"{state}.html").as_uri())
                page.screenshot(path=pictures / name)
            browser.close()


def write_reports(folder: Path) -> None:
    """Write empty.html, crawling.html, trouble.html and done.html."""
    songs = folder / "songs"
    songs.mkdir()
    (songs / "songs.txt").write_text("\n".join(make_ids(SEED, IDS)))
    clock = ScaledClock(START, SPEED)
    settings = SimulatorSettings(
        seed=SEED, faults="mild", daily_units=UNITS, valid_key=KEY, clock_start=START, clock_speed=SPEED
    )
    with SimulatorProcess(settings) as simulator:
        crawl = Crawl(songs, simulator, clock)
        crawl.harvester.init()
        crawl.harvester.publish_page(str(folder / "empty.html"))
        asyncio.run(crawl.harvester.load())
        crawl.days(2)
        shutil.copytree(songs, folder / "trouble" / "songs")
        parted_at = clock.now()
        crawl.days(1)
        asyncio.run(crawl.harvester.run(RunReport(), max_calls=20))
        crawl.harvester.publish_page(str(folder / "crawling.html"))
        crawl.days(30)
        crawl.harvester.publish_page(str(folder / "done.html"))
    trouble(folder, ScaledClock(parted_at, SPEED))


def trouble(folder: Path, clock: ScaledClock) -> None:
    """The same crawl, whose key is refused after two days of worse faults."""
    now = clock.now()
    hostile = SimulatorSettings(seed=SEED, faults="hostile", daily_units=UNITS, clock_start=now, clock_speed=SPEED)
    with SimulatorProcess(hostile) as simulator:
        Crawl(folder / "trouble" / "songs", simulator, clock).days(2)
    refusing = SimulatorSettings(seed=SEED, valid_key="another", clock_start=clock.now(), clock_speed=SPEED)
    with SimulatorProcess(refusing) as simulator:
        crawl = Crawl(folder / "trouble" / "songs", simulator, clock)
        try:
            asyncio.run(crawl.harvester.run(RunReport()))
        except HarvesterError:
            crawl.harvester.publish_page(str(folder / "trouble.html"))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
