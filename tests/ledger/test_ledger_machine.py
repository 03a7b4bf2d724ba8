"""Any sequence of actions by any number of runs, alive, dead or late: the ledger does what the model does."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Coroutine
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ledger_kit import DATABASES, DAY, LEASE, NOW, Dump, a_fault, a_process, good, video_ids
from ledger_model import Day, Model

from harvester.ledger.records import Removal
from harvester.ledger.sqlite import connection
from harvester.listing_types import ListingKind, Page, Target
from harvester.model import Batch, Budget, Denied, GiveBack, Outcome, ProcessIdentity, Span, Verdict, VideoState
from harvester.youtube.endpoints import PLAYLIST_ITEMS_LIST

RUNS = st.integers(1, 3)
ANY = st.integers(0, 10_000)
BUDGETS = st.builds(
    Budget,
    day=st.sampled_from([DAY, DAY + timedelta(days=1)]),
    limit=st.sampled_from([100_000, 0, 10, 100_000, 100, 100_000]),
    units_per_call=st.sampled_from([1, 11]),
)


def of_pages(budget: Budget) -> Budget:
    return replace(budget, endpoint=PLAYLIST_ITEMS_LIST.name)


class LedgerMachine(RuleBasedStateMachine):
    kind: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.living: set[ProcessIdentity] = set()
        self.database = DATABASES[self.kind](Path(self.folder.name))
        self.model = Model()
        self.loaded = 0
        self.processes = 0
        self.runs: list[int] = []
        self.batches: list[Batch] = []
        """Every batch that ever was claimed: most of them are lost or settled."""

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    async def _open(self) -> None:
        # Its reader belongs to a loop.
        self.ledger = self.database.ledger(self.living.__contains__)

    @initialize()
    def begin(self) -> None:
        self.do(self._open())
        for _ in range(3):
            self.enter_run()
        self.add(420, 0, 7)

    def teardown(self) -> None:
        with closing(self.database.reader()) as reader:
            assert reader.findings() == []
        self.do(self.ledger.close())
        self.database.close()
        self.runner.close()
        self.folder.cleanup()

    # --- what a run does

    def enter_run(self) -> None:
        self.processes += 1
        process = a_process(self.processes)
        self.living.add(process)
        self.runs.append(self.do(self.ledger.open_run(process, NOW, NOW + LEASE)))

    @precondition(lambda self: self.loaded < 700)
    @rule(new=st.integers(0, 60), known=st.integers(0, 20), every=st.integers(2, 9))
    def add(self, new: int, known: int, every: int) -> None:
        ids = video_ids(new + known, start=max(0, self.loaded - known))
        invalid = [text for text in ids if int(text[:-1]) % every == 0]
        addition = self.do(self.ledger.add(ids, invalid, 0))
        assert addition.new == self.model.add(ids, invalid)
        self.loaded = len(self.model.videos)

    @rule(which=RUNS, budget=BUDGETS, times=st.integers(1, 4))
    def claim(self, which: int, budget: Budget, times: int) -> None:
        run = self.runs[-which]
        for _ in range(times):
            result = self.do(self.ledger.claim(run, budget, NOW))
            self.claimed(result, self.model.claim(run, budget))
            if isinstance(result, Denied):
                break

    def claimed(self, result: Batch | Denied, expected: Batch | Denied) -> None:
        assert result == expected
        if isinstance(result, Batch):
            self.batches.append(result)

    @precondition(lambda self: self.held())
    @rule(which=ANY, missing=st.sets(st.integers(0, 49), max_size=50))
    def settle(self, which: int, missing: set[int]) -> None:
        self.settle_batch(self.held()[which % len(self.held())], missing)

    def settle_batch(self, batch: Batch, missing: set[int]) -> None:
        if batch.listing is not None:
            self.settle_page(batch, len(missing))
            return
        without = [text for index, text in enumerate(batch.ids) if index in missing]
        assert self.do(self.ledger.settle(batch, good(batch, without), NOW)) == self.model.settle(batch, without)

    @rule(again=st.booleans())
    def discover(self, again: bool) -> None:
        """One playlist more, every second of them of uploads; or again all that are done."""
        number = len(self.model.listings)
        targets = [] if again else [Target(ListingKind.PLAYLIST, f"{('UU', 'PL')[number % 2]}{number:016}")]
        added = self.do(self.ledger.add_listings(targets, NOW, again=again))
        assert (added.new, added.again) == (len(targets), self.model.discover(targets, again))

    @precondition(lambda self: self.model.listings)
    @rule(which=RUNS, budget=BUDGETS)
    def claim_page(self, which: int, budget: Budget) -> None:
        run, budget = self.runs[-which], of_pages(budget)
        result = self.do(self.ledger.claim_listing(run, budget, NOW, channels=False))
        self.claimed(result, self.model.claim_page(run, budget))

    def settle_page(self, batch: Batch, new: int) -> None:
        """The three oldest ids, and often some new; every second page is the last."""
        ids = [*video_ids(3), *video_ids(max(0, new - 6), start=self.loaded)]
        token = f"after {batch.call_id}" if batch.call_id % 2 else None
        answer = Outcome(Verdict.GOOD, "ok", 200, listed=Page(tuple(ids), len(ids), token, None))
        assert self.do(self.ledger.settle(batch, answer, NOW)) == self.model.settle_page(batch, ids, token)
        self.loaded = len(self.model.videos)

    @precondition(lambda self: self.held())
    @rule(which=ANY, how=st.sampled_from(GiveBack), sent=st.booleans())
    def give_back(self, which: int, how: GiveBack, sent: bool) -> None:
        self.give_back_batch(self.held()[which % len(self.held())], how, sent)

    def give_back_batch(self, batch: Batch, how: GiveBack, sent: bool) -> None:
        result = self.do(self.ledger.give_back(batch, a_fault(sent=sent), how, NOW))
        assert result == self.model.give_back(batch, how, sent)

    @precondition(lambda self: self.held())
    @rule(which=ANY, sent=st.booleans(), budget=BUDGETS)
    def retry(self, which: int, sent: bool, budget: Budget) -> None:
        self.retry_batch(self.held()[which % len(self.held())], sent, budget)

    def retry_batch(self, batch: Batch, sent: bool, budget: Budget) -> None:
        run = self.model.calls[batch.call_id].run
        budget = budget if batch.listing is None else of_pages(budget)
        result = self.do(self.ledger.retry(run, batch, a_fault(sent=sent), budget, NOW))
        self.claimed(result, self.model.retry(run, batch, sent, budget))

    @precondition(lambda self: self.batches)
    @rule(which=ANY, action=st.integers(0, 2))
    def come_late(self, which: int, action: int) -> None:
        """With any batch that ever was: most are lost or settled by now."""
        batch = self.batches[which % len(self.batches)]
        if action == 0:
            self.settle_batch(batch, set())
        elif action == 1:
            self.give_back_batch(batch, GiveBack.RELEASE, True)
        else:
            self.retry_batch(batch, False, Budget(DAY, 1000, 1))

    def held(self) -> list[Batch]:
        return [batch for batch in self.batches if self.model.calls[batch.call_id].state == "open"]

    # --- ids that are to be asked for again

    @rule(which=st.sets(st.sampled_from([VideoState.FAILED, VideoState.MISSING]), min_size=1), first=ANY)
    def requeue(self, which: set[VideoState], first: int) -> None:
        first = first % (self.loaded + 1)
        moved = self.do(self.ledger.requeue(Span(first, first + 200), which, None))
        assert sum(moved.values()) == self.model.requeue(which, first, first + 200)

    @precondition(lambda self: self.batches)
    @rule(which=ANY)
    def prune(self, which: int) -> None:
        """The responses of some calls, if they have any; deleting one twice deletes nothing."""
        calls = [self.batches[(which + more) % len(self.batches)].call_id for more in (0, 1, 3)]
        calls += list(self.model.replaced())[: which % 2]
        pruned = self.do(self.ledger.prune(calls, NOW + timedelta(days=1), NOW))
        assert pruned.videos == self.model.prune(calls)

    @precondition(lambda self: self.model.stored())
    @rule(which=RUNS, budget=BUDGETS, old=ANY)
    def refresh(self, which: int, budget: Budget, old: int) -> None:
        """A stored response; it may be asked for already."""
        stored = self.model.stored()
        run, old_call = self.runs[-which], stored[old % len(stored)]
        result = self.do(self.ledger.claim_old(run, budget, NOW, old_call, NOW + timedelta(days=1)))
        self.claimed(result, self.model.claim_old(run, budget, old_call))

    # --- ids that a wrong load brought

    @rule(state=st.sampled_from([VideoState.PENDING, VideoState.INVALID]), first=ANY, most=st.integers(1, 500))
    def remove(self, state: VideoState, first: int, most: int) -> None:
        first = first % (self.model.last_position() + 1)
        removed = self.do(self.ledger.remove(Span(first, first + most - 1), Removal(state)))
        assert sum(removed.values()) == self.model.remove(state, first, first + most - 1)
        self.loaded = len(self.model.videos)

    # --- how runs end

    @precondition(lambda self: self.held())
    @rule(which=RUNS)
    def end_run(self, which: int) -> None:
        run = self.runs[-which]
        self.do(self.ledger.close_run(run, NOW, "stopped"))
        self.model.abandon([run])
        self.enter_run()

    @precondition(lambda self: self.held())
    @rule(which=RUNS)
    def kill_process(self, which: int) -> None:
        """It may have been late with its last actions: they come after its death here."""
        run = self.runs[-which]
        self.living.discard(a_process(run))
        self.model.dead.add(run)
        self.enter_run()

    @precondition(lambda self: self.model.dead)
    @rule()
    def recover(self) -> None:
        recovered = self.do(self.ledger.recover(a_process(self.processes), NOW))
        assert recovered == self.model.abandon(self.model.dead)

    @rule(day=st.sampled_from([DAY, DAY + timedelta(days=2)]), sure=st.integers(0, 9))
    def close_day(self, day: date, sure: int) -> None:
        """Seldom: nothing more happens on that day."""
        if sure == 7:
            self.do(self.ledger.close_day(day, NOW))
            self.model.days.setdefault(day, Day()).closed = True

    # --- what always holds

    @invariant()
    def the_ledger_is_as_the_model(self) -> None:
        dump = self.database.dump()
        self.every_id_is_where_the_model_has_it(dump)
        self.the_counts_are_right(dump)
        self.the_units_are_right_and_within_the_limit(dump)
        self.claimed_ids_belong_to_calls_under_way(dump)
        found = [(row[2], row[3], row[9], row[10], row[16]) for row in dump["listings"]]
        expected = [(x.target.text, x.state, x.token, x.pages, x.known_up_to) for x in self.model.listings]
        assert found == expected

    def every_id_is_where_the_model_has_it(self, dump: Dump) -> None:
        found = {row[1]: (row[0], VideoState(row[2]), row[3]) for row in dump["videos"]}
        expected = {text: (v.position, v.state, v.attempts) for text, v in self.model.videos.items()}
        assert found == expected

    def the_counts_are_right(self, dump: Dump) -> None:
        kept = {VideoState(row[0]): row[3] for row in dump["video_states"]}
        counted = self.model.counts()
        assert kept == {state: counted[state] for state in VideoState}
        assert sum(kept.values()) == self.loaded

    def the_units_are_right_and_within_the_limit(self, dump: Dump) -> None:
        rows = {row[0]: (row[2], row[1]) for row in dump["quota_days"]}
        spent = {day: units for day, (units, _) in rows.items()}
        assert spent == {str(day): line.units for day, line in self.model.days.items()}
        assert all(units <= limit for units, limit in rows.values())

    def claimed_ids_belong_to_calls_under_way(self, dump: Dump) -> None:
        assert {row[0]: row[8] for row in dump["calls"]} == {n: call.state for n, call in self.model.calls.items()}
        claimed = Counter(row[4] for row in dump["videos"] if row[2] == VideoState.CLAIMED)
        replaced = self.model.replaced()
        under_way = {row[0]: row[4] for row in dump["calls"] if row[8] == "open" and not row[17]}
        assert claimed == {call: ids for call, ids in under_way.items() if call not in replaced.values()}
        assert {row[16]: row[0] for row in dump["calls"] if row[16] and row[8] == "open"} == replaced


@pytest.mark.parametrize("kind", sorted(DATABASES))
def test_the_ledger_does_what_the_model_does(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Here no power is cut, and thousands of commits would wait for the disk.
    monkeypatch.setattr(connection, "_WRITING", (*connection._WRITING, "PRAGMA synchronous = OFF"))
    machine = type("Machine", (LedgerMachine,), {"kind": kind})
    limits = settings(
        # A server is slower to ask.
        max_examples=16 if kind == "sqlite" else 4,
        stateful_step_count=60,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=limits)
