"""The simulated clock and the Pacific day: units stop at the day's end and come back at midnight."""

from datetime import UTC, date, datetime, timedelta

import pytest

from harvester.simulator import SimulatedClock, SimulatorSettings
from harvester.simulator.quota import QuotaBook, pacific_day

NOON = datetime(2026, 11, 23, 20, tzinfo=UTC)


def test_the_clock_runs_at_its_speed_and_jumps_ahead_only():
    real = [100.0]
    clock = SimulatedClock(NOON, speed=3_600, monotonic=lambda: real[0])
    real[0] += 2
    assert clock.now() == NOON + timedelta(hours=2)
    clock.jump_to(NOON + timedelta(days=1))
    real[0] += 1
    assert clock.now() == NOON + timedelta(days=1, hours=1)
    with pytest.raises(ValueError, match="backward"):
        clock.jump_to(NOON)
    with pytest.raises(ValueError, match="time zone"):
        clock.jump_to(datetime(2030, 1, 1))  # noqa: DTZ001


def test_settings_that_cannot_be_meant_are_refused():
    for wrong in (
        {"clock_start": datetime(2026, 1, 1)},  # noqa: DTZ001
        {"clock_speed": 0},
        {"latency_seconds": -1},
        {"units_per_call": 0},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            SimulatorSettings(**wrong)


@pytest.mark.parametrize(
    ("last_before", "hours"),
    [
        (datetime(2026, 11, 24, 7, 59, 59, tzinfo=UTC), 24),
        # clocks go forward in the night of March 8th, and back on November 1st
        (datetime(2026, 3, 8, 7, 59, 59, tzinfo=UTC), 23),
        (datetime(2026, 11, 1, 6, 59, 59, tzinfo=UTC), 25),
    ],
)
def test_the_day_ends_at_pacific_midnight(last_before: datetime, hours: int):
    begins = last_before + timedelta(seconds=1)
    assert pacific_day(begins) == pacific_day(last_before) + timedelta(days=1)
    ends = begins + timedelta(hours=hours)
    assert pacific_day(ends - timedelta(seconds=1)) == pacific_day(begins)
    assert pacific_day(ends) == pacific_day(begins) + timedelta(days=1)


def test_units_stop_short_of_the_budget():
    book, day = QuotaBook(10_000, 11), date(2026, 11, 23)
    assert sum(book.charge(day) for _ in range(1_000)) == 909
    count = book.days[day]
    assert (count.calls, count.units, count.refused_by_quota) == (909, 9_999, 91)
    assert book.charge(day + timedelta(days=1))


def test_units_spent_elsewhere_count_against_the_day():
    book, day = QuotaBook(100, 10), date(2026, 11, 23)
    book.spend(day, 75)
    assert [book.charge(day) for _ in range(4)] == [True, True, False, False]
    assert (book.days[day].units, book.days[day].elsewhere) == (20, 75)
