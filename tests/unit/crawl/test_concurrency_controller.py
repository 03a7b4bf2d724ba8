"""Backoff and the concurrency controller: time and random numbers are arguments."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.crawl.backoff import Backoff
from harvester.crawl.concurrency_controller import ConcurrencyController


class Always(random.Random):
    """Random numbers that are always as high as they can be."""

    def uniform(self, a: float, b: float) -> float:
        return b


def controller(most: int = 50) -> ConcurrencyController:
    return ConcurrencyController(most, Always(), now=0.0)


@given(st.integers(1, 1000), st.integers())
def test_full_jitter_lies_between_nothing_and_the_exponential(attempt: int, seed: int) -> None:
    delay = Backoff(1.0, 60.0).delay(attempt, random.Random(seed))
    assert 0 <= delay <= min(60.0, 2.0 ** (attempt - 1))


def test_full_jitter_uses_the_whole_width() -> None:
    delays = [Backoff().delay(4, random.Random(seed)) for seed in range(500)]
    assert min(delays) < 0.5
    assert max(delays) > 7.5


def test_retry_after_is_the_least_wait() -> None:
    assert Backoff().delay(1, random.Random(1), retry_after_seconds=17.0) == 17.0
    assert Backoff().delay(6, Always(), retry_after_seconds=17.0) == 32.0


def test_push_back_halves_the_limit_once_for_all_that_was_under_way() -> None:
    controlled = controller()
    for _ in range(50):
        controlled.pushed_back(now=10.0, sent_at=9.0, attempt=1, retry_after_seconds=None)
    assert controlled.limit == 25
    controlled.pushed_back(now=20.0, sent_at=15.0, attempt=1, retry_after_seconds=None)
    assert controlled.limit == 12


def test_push_back_holds_everything_for_as_long_as_the_api_asks() -> None:
    controlled = controller()
    controlled.pushed_back(now=10.0, sent_at=9.0, attempt=1, retry_after_seconds=30.0)
    assert controlled.paused_until == 40.0
    controlled.pushed_back(now=10.5, sent_at=9.0, attempt=1, retry_after_seconds=None)
    assert controlled.paused_until == 40.0


def test_good_answers_regrow_the_limit_to_the_most_and_no_further() -> None:
    controlled = controller()
    controlled.pushed_back(now=10.0, sent_at=9.0, attempt=1, retry_after_seconds=None)
    grown = []
    for step in range(1500):
        controlled.good(now=11.0 + step)
        grown.append(controlled.limit)
    assert grown == sorted(grown)
    assert grown[10] < 50
    assert grown[-1] == 50


def test_the_limit_never_falls_below_one() -> None:
    controlled = controller(2)
    for second in range(10):
        controlled.pushed_back(now=second + 1.0, sent_at=second + 0.5, attempt=1, retry_after_seconds=None)
    assert controlled.limit == 1


def test_faults_among_good_answers_change_nothing() -> None:
    controlled = controller(10)
    for second in range(100):
        controlled.fault(now=float(second), sent_at=float(second))
        controlled.good(now=float(second))
    assert controlled.limit == 10
    assert controlled.paused_until == 0.0


def test_when_all_that_is_under_way_fails_one_probe_at_a_time_is_sent_ever_later() -> None:
    controlled = controller(10)
    for _ in range(10):
        controlled.fault(now=1.0, sent_at=0.5)
    assert controlled.limit == 1
    holds = []
    now = 1.0
    for _ in range(12):
        sent_at = now = controlled.paused_until + 0.1
        controlled.fault(now=now, sent_at=sent_at)
        holds.append(controlled.paused_until - now)
    assert holds == sorted(holds)
    assert holds[-1] == pytest.approx(60.0)
    controlled.good(now + 1)
    assert controlled.limit >= 1
    controlled.good(now + 2)
    assert controlled.limit >= 2


def test_calls_sent_before_the_limit_shrank_do_not_shrink_it_again() -> None:
    controlled = controller(4)
    for _ in range(4):
        controlled.fault(now=1.0, sent_at=0.5)
    held = controlled.paused_until
    controlled.fault(now=1.5, sent_at=0.5)
    assert controlled.paused_until == held


def test_silence_is_counted_from_the_last_good_answer() -> None:
    controlled = controller()
    assert controlled.silence(5.0) == 5.0
    controlled.good(6.0)
    assert controlled.silence(10.0) == 4.0
    assert controlled.good_since(5.0)
    assert not controlled.good_since(6.0)
    controlled.restart(100.0)
    assert controlled.silence(101.0) == 1.0
