"""When an id alone is given up: what comes between its faults decides, not their number."""

from __future__ import annotations

import random
from datetime import date
from typing import cast

from harvester.crawl.concurrency_controller import ConcurrencyController
from harvester.crawl.fault_attribution import Attribution, Call, Faults
from harvester.ledger.ledger import Ledger
from harvester.model import Batch

ID = "jNQXAC9IVRw"


class Story:
    """An id alone in the crawl, asked for again and again. Each step takes a second."""

    def __init__(self, max_attempts: int) -> None:
        self.controller = ConcurrencyController(1, random.Random(0), 0.0)
        self.attribution = Attribution(cast(Ledger, None), self.controller, max_attempts, 600.0)
        self.batch = Batch(1, date(2026, 6, 2), 11, 1, (0,), (ID,))
        self.seconds = 0.0
        self.faults = Faults()
        self.api_known_up = False

    def answered(self) -> None:
        """Another call succeeds."""
        self.seconds += 1
        self.controller.good(self.seconds, self.seconds)
        self.api_known_up = self.faults.since is not None

    def _fails(self, refused: bool) -> Call:
        call = Call(self.batch, self.seconds, self.faults, self.api_known_up, probe=False)
        self.seconds += 1
        self.faults = self.attribution.count(call, self.seconds, refused=refused)
        self.api_known_up = False
        return call

    def fails(self) -> bool:
        """Whether that gives it up."""
        call = self._fails(refused=False)
        return self.attribution.is_at_fault(call, self.faults)

    def is_refused(self) -> bool:
        call = self._fails(refused=True)
        return self.attribution.is_refused(call, self.faults)


def test_an_outage_that_begins_after_one_passing_fault_fails_no_id() -> None:
    for max_attempts in (1, 2, 5):
        story = Story(max_attempts)
        assert not story.fails()
        story.answered()
        assert not any(story.fails() for _ in range(20)), max_attempts


def test_an_id_that_fails_after_each_of_two_good_answers_is_given_up() -> None:
    story = Story(max_attempts=1)
    assert not story.fails()
    story.answered()
    assert not story.fails()
    story.answered()
    assert story.fails()


def test_all_attempts_are_made_however_often_others_are_answered() -> None:
    story = Story(max_attempts=5)
    given_up = []
    for _ in range(5):
        given_up.append(story.fails())
        story.answered()
    assert given_up == [False, False, False, False, True]


def test_an_id_is_refused_twice_with_a_good_answer_between() -> None:
    story = Story(max_attempts=5)
    assert not story.is_refused()
    assert not story.is_refused(), "nothing else was answered"
    story.answered()
    assert story.is_refused()


def test_a_refusal_after_a_passing_fault_is_the_first_one() -> None:
    story = Story(max_attempts=5)
    assert not story.fails()
    story.answered()
    assert not story.is_refused(), "a wrong address may have come between"
    story.answered()
    assert story.is_refused()
