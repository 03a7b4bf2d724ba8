"""The fault plan is pure: the same seed, batch and attempt always draw the same fault."""

import random
from itertools import groupby

import pytest

from harvester.simulator import FAULT_NAMES, FaultPlan, make_ids, truth
from harvester.simulator.answers import GOOD, Answer
from harvester.simulator.clock import SimulatedClock
from harvester.simulator.error_bodies import ERRORS
from harvester.simulator.faults import HOSTILE, MILD, faulty


@pytest.fixture(scope="module")
def batches():
    """200,000 ids. Not at import: each of the processes that test imports this, and one of them runs it."""
    return [list(make_ids(1, 50, start)) for start in range(0, 200_000, 50)]


def test_a_plan_replays_from_its_seed(batches):
    plan, again = FaultPlan("hostile", 5), FaultPlan("hostile", 5)
    drawn = [plan.draw(batch, 0) for batch in batches]
    order = list(range(len(batches)))
    random.Random(1).shuffle(order)
    assert {index: again.draw(batches[index], 0) for index in order} == dict(enumerate(drawn))
    assert [FaultPlan("hostile", 6).draw(batch, 0) for batch in batches] != drawn


@pytest.mark.parametrize(("level", "share"), [("none", 0.0), ("mild", 0.02), ("hostile", 0.12)])
def test_levels_have_their_share_of_faults(level, share, batches):
    plan = FaultPlan(level, 2)
    faulted = sum(plan.draw(batch, 0) is not None for batch in batches) / len(batches)
    assert faulted == pytest.approx(share, abs=0.012)


def test_the_levels_are_as_described():
    assert sum(MILD.values()) == pytest.approx(0.02)
    assert sum(HOSTILE.values()) == pytest.approx(0.12, abs=0.005)
    assert HOSTILE.keys() > MILD.keys()
    assert HOSTILE["hang"] <= 0.0002
    with pytest.raises(ValueError, match="wild"):
        FaultPlan("wild", 1)


def test_no_batch_is_faulted_more_than_three_times_in_a_row(batches):
    plan = FaultPlan("hostile", 3)
    longest = 0
    for batch in batches:
        faulted = [plan.draw(batch, attempt) is not None for attempt in range(24)]
        longest = max([longest, *(sum(1 for _ in run) for faulty, run in groupby(faulted) if faulty)])
    assert 1 <= longest <= 3


def test_even_a_plan_of_nothing_but_faults_lets_every_fourth_answer_through(monkeypatch, batches):
    monkeypatch.setitem(HOSTILE, "500", 1.0)
    plan = FaultPlan("hostile", 3)
    assert [plan.draw(batches[0], attempt) for attempt in range(8)] == [*["500"] * 3, None] * 2


def test_an_untrue_quota_error_is_said_once(monkeypatch, batches):
    lied_to = [batch for batch in batches if FaultPlan("hostile", 4).draw(batch, 0) == "quota_untrue"]
    assert lied_to
    plan = FaultPlan("hostile", 4)
    for batch in lied_to:
        assert plan.draw(batch, 1) is None
        assert "quota_untrue" not in {plan.draw(batch, attempt) for attempt in range(1, 40)}


def test_poison_is_rare_and_known_beforehand():
    plan = FaultPlan("hostile", 1)
    ids = list(make_ids(1, 400_000))
    kinds = [plan.poison_of(video_id) for video_id in ids]
    assert 8 <= kinds.count("400_bad_request") <= 40
    assert 2 <= kinds.count("503") <= 25
    poisoned = next(video_id for video_id, kind in zip(ids, kinds, strict=True) if kind)
    assert plan.poison_of(poisoned)
    assert truth(poisoned, seed=1, faults="hostile") == "failed"
    assert truth(poisoned, seed=1, faults="mild") != "failed"
    assert not FaultPlan("mild", 1).poison_of(poisoned)


def test_every_fault_has_a_name_and_every_name_a_fault():
    assert HOSTILE.keys() | ERRORS.keys() == FAULT_NAMES
    good = Answer(200, b'{"kind":"youtube#videoListResponse","items":[]}', GOOD)
    now = SimulatedClock().now()
    for name in FAULT_NAMES:
        answer = faulty(name, good, now, {"id": "unexpected_id"})
        assert answer != good
        assert answer.outcome == (GOOD if name == "slow" else name)
    with pytest.raises(KeyError):
        faulty("no such thing", good, now, {})
