"""A short form of `make fuzz-crawl`, on both databases; and what it found, as seeds that must stay right."""

from __future__ import annotations

import pytest
from fuzz_crawl import play_many
from fuzz_plan import CLOCKS_FROM

CRAWLS = {"sqlite": 150, "postgres": 8}
CRAWLS_UNDER_SET_CLOCKS = {"sqlite": 40, "postgres": 4}
FOUND = (11, 12, 16, 85, 1010, 1067, 1178, 1192, 1218, 2510, 12_997, 13_407, 100_982, 201_854, 400_254)
"""Seeds that were wrong once."""


@pytest.mark.parametrize("kind", sorted(CRAWLS))
def test_small_crawls_come_out_as_they_were_planted(kind: str) -> None:
    first = 20_000
    wrong = play_many(kind, range(first, first + CRAWLS[kind]))
    assert wrong == [], "replay with: make fuzz-crawl SEED=…"


@pytest.mark.parametrize("kind", sorted(CRAWLS_UNDER_SET_CLOCKS))
def test_small_crawls_come_out_right_under_clocks_that_are_set(kind: str) -> None:
    first = CLOCKS_FROM + 300
    wrong = play_many(kind, range(first, first + CRAWLS_UNDER_SET_CLOCKS[kind]))
    assert wrong == [], "replay with: make fuzz-crawl SEED=…"


def test_what_was_wrong_once_is_right() -> None:
    assert play_many("sqlite", FOUND) == []
