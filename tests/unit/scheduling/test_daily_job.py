"""The schedule: whatever the host's zone, each reset of the quota is followed by a start."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from harvester.quota_calendar import day_start, quota_day
from harvester.scheduling.daily_job import Inexpressible, Job, crontab, local_starts, systemd_files

SINCE = date(2026, 1, 1)
DAYS = [SINCE + timedelta(days=n) for n in range(2 * 365)]
ON_TIME = timedelta(minutes=10)
LATEST = timedelta(minutes=70)
"""Where the reset falls into an hour that the host's clock shows twice, and cron counts once."""

# No change, the same change an hour apart, other dates of change, the other half of the world, odd minutes.
ZONES = {
    "America/Los_Angeles": "00:10",
    "UTC": "07:10 08:10",
    "America/Denver": "01:10",
    "America/Chicago": "01:10 02:10 03:10",
    "America/New_York": "02:10 03:10 04:10",
    "America/Santiago": "03:10 04:10 05:10",
    "America/St_Johns": "03:40 04:40 05:40",
    "Europe/London": "07:10 08:10",
    "Europe/Paris": "08:10 09:10",
    "Africa/Casablanca": "07:10 08:10 09:10",
    "Asia/Kolkata": "12:40 13:40",
    "Asia/Tokyo": "16:10 17:10",
    "Australia/Lord_Howe": "17:40 18:10 19:10",
    "Pacific/Chatham": "19:55 20:55 21:55",
}


def job(folder: str = "/home/you/crawl") -> Job:
    here = Path(folder)
    return Job(
        program=["/home/you/venv/bin/harvester"],
        config=here / "config.toml",
        env_file=here / "harvester.env",
        ledger=here / "harvest.db",
        user="you",
    )


def in_crontab(zone: str) -> list[time]:
    """The times of the lines that are printed for a machine of that zone."""
    lines = [line for line in crontab(job(), ZoneInfo(zone), SINCE).splitlines() if not line.startswith("#")]
    fields = [re.match(r"(\d+) ([\d,]+) \* \* \* cd ", line) for line in lines]
    assert all(fields)
    return sorted(time(int(hour), int(found[1])) for found in fields if found for hour in found[2].split(","))


def instants(zone: ZoneInfo, at: list[time], *, most: bool) -> Iterator[datetime]:
    """When cron starts a job at these local times.

    Crons differ in the nights of a change. The least that each does: a time that is skipped is skipped, one that comes
    twice counts the first time. The most: what is skipped is made up for, and both times count.
    """
    for n in range(-1, len(DAYS) + 2):
        for clock in at:
            local = datetime.combine(SINCE + timedelta(days=n), clock, zone)
            readings = {local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)}
            real = {each for each in readings if each.astimezone(zone).time() == clock}
            yield from (real or {min(readings)}) if most else sorted(real)[:1]


@pytest.mark.parametrize("zone", ZONES)
def test_each_reset_of_two_years_is_followed_by_a_start(zone: str) -> None:
    starts = sorted(instants(ZoneInfo(zone), in_crontab(zone), most=False))
    delays = {day: starts[bisect_left(starts, day_start(day))] - day_start(day) for day in DAYS}
    assert {quota_day(day_start(day) + delay) for day, delay in delays.items()} == set(DAYS)
    assert min(delays.values()) == ON_TIME
    late = {day: delay for day, delay in delays.items() if delay != ON_TIME}
    assert len(late) <= 2
    assert max(late.values(), default=ON_TIME) <= LATEST


@pytest.mark.parametrize("zone", ZONES)
def test_there_are_no_more_starts_a_day_than_are_told(zone: str) -> None:
    times = in_crontab(zone)
    by_day = Counter(quota_day(start) for start in instants(ZoneInfo(zone), times, most=True))
    assert {by_day[day] for day in DAYS} <= {len(times), len(times) - 1, len(times) + 1}
    number = "one start a day" if len(times) == 1 else f"{len(times)} starts a day"
    assert number in crontab(job(), ZoneInfo(zone), SINCE)


@pytest.mark.parametrize(("zone", "times"), ZONES.items())
def test_the_hours_are_those_that_it_takes(zone: str, times: str) -> None:
    assert (
        in_crontab(zone) == local_starts(ZoneInfo(zone), SINCE) == [time.fromisoformat(each) for each in times.split()]
    )


@pytest.mark.parametrize("since", [date(2026, 3, 9), date(2026, 7, 1), date(2026, 11, 2), date(2027, 3, 20)])
def test_it_does_not_matter_on_which_day_it_is_printed(since: date) -> None:
    for zone in map(ZoneInfo, ("UTC", "Europe/Paris", "America/Chicago", "Australia/Lord_Howe")):
        assert local_starts(zone, since) == local_starts(zone, SINCE)


def test_minutes_that_differ_take_a_line_each() -> None:
    lines = crontab(job(), ZoneInfo("Australia/Lord_Howe"), SINCE).splitlines()
    assert [line.partition(" *")[0] for line in lines if not line.startswith("#")] == ["40 17", "10 18,19"]


def test_the_timer_goes_by_pacific_time_and_catches_up() -> None:
    timer = systemd_files(job())["harvester.timer"]
    assert "\nOnCalendar=*-*-* 00:10:00 America/Los_Angeles\n" in timer
    assert "\nPersistent=true\n" in timer


def test_what_systemd_would_read_into_a_path_is_escaped() -> None:
    service = systemd_files(job('/srv/50% of "my" $HOME'))["harvester.service"]
    assert '\nWorkingDirectory=/srv/50%% of "my" $HOME\n' in service
    assert '\nEnvironmentFile=/srv/50%% of "my" $HOME/harvester.env\n' in service
    assert '\nReadWritePaths="/srv/50%% of \\"my\\" $HOME"\n' in service
    assert ' -q --config "/srv/50%% of \\"my\\" $$HOME/config.toml" run\n' in service


def test_what_no_line_can_carry_is_refused() -> None:
    for bad in (job("/srv/two\nlines"), job("/srv/\x1b[2J")):
        with pytest.raises(Inexpressible, match="characters"):
            crontab(bad, ZoneInfo("UTC"), SINCE)
        with pytest.raises(Inexpressible, match="characters"):
            systemd_files(bad)
    with pytest.raises(Inexpressible, match="too long"):
        crontab(job("/srv/" + "deep/" * 250), ZoneInfo("UTC"), SINCE)
