"""What ends a run before its time: a refused key, an API that is down, settings that it refuses, a stop."""

from __future__ import annotations

import asyncio
import math
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import pytest
from crawl_setup import LEAP_SECONDS, CrawlSetup, SetUp, assert_all_true, assert_handed_back, stopped_after
from test_crawl_faults import KEY_FAULTS
from waiting import until

from harvester.config import RunSettings
from harvester.crawl.fault_attribution import MAX_FAILED_PROBES
from harvester.crawl.run_report import Ending
from harvester.crawl.stop import Stop
from harvester.errors import ApiUnavailable, ConfigError, CredentialsError
from harvester.model import BATCH_SIZE
from harvester.rehearsal import ScaledClock
from harvester.simulator import FaultPlan, make_ids

HASTY = {"clock_speed": 500.0}
"""For waits of many minutes with next to no work between them."""

UNANSWERED = {"api": {"latency_seconds": 3_600.0}, "settings": {"timeout_seconds": 3_600.0}}
"""No call would come home by itself."""

# --- the key


async def test_a_key_that_the_api_does_not_know_stops_the_run_with_every_id_pending(set_up: SetUp) -> None:
    setup = await set_up(2_000, api={"valid_key": "the-right-one"}, settings={"concurrency": 8})
    with pytest.raises(CredentialsError) as refused:
        await setup.run()
    assert "YOUTUBE_API_KEY" in refused.value.next_step
    assert setup.key not in str(refused.value)
    report = setup.simulator.report()
    assert report["calls"] <= 8
    assert (report["in_flight"], report["days"]) == (0, {})
    assert_handed_back(setup)


@pytest.mark.parametrize("name", sorted(KEY_FAULTS))
async def test_each_refusal_that_no_waiting_heals_stops_the_run(set_up: SetUp, name: str) -> None:
    setup = await set_up(500, settings={"concurrency": 1})
    setup.simulator.script(name)
    with pytest.raises(ConfigError) as refused:
        await setup.run()
    assert refused.value.exit_code == 3
    assert refused.value.next_step
    assert setup.simulator.report()["calls"] == 1
    assert_handed_back(setup)


# --- videos that no call survives


def first_poison(kind: str, seed: int) -> tuple[int, str]:
    plan = FaultPlan("hostile", seed)
    return next((n, v) for n, v in enumerate(make_ids(seed, 1_000_000)) if plan.poison_of(v) == kind)


@pytest.mark.parametrize(("kind", "attempts"), [("400_bad_request", 1), ("503", 2)])
async def test_a_poisonous_video_fails_alone_and_costs_few_calls(set_up: SetUp, kind: str, attempts: int) -> None:
    index, poison = first_poison(kind, seed=5)
    # among so many harmless ones that good answers come all along, in the middle of the second batch
    ids = list(make_ids(5, 10_000, start=index - 74))
    assert ids.index(poison) == 74
    setup = await set_up(
        ids,
        api={"faults": "hostile", "seed": 5},
        settings={"concurrency": 2, "max_attempts": attempts, "timeout_seconds": 3},
    )
    await setup.run()
    assert [video_id for video_id, state in setup.states.items() if state == "failed"] == [poison]
    assert_all_true(setup)
    mates = set(ids[50:100])
    halvings = math.ceil(math.log2(BATCH_SIZE))
    poisoned = [call for call in setup.calls if poison in call.ids]
    for_mates = [call for call in setup.calls if mates & set(call.ids) and call.outcome.verdict.value == "good"]
    assert len(poisoned) <= attempts * (halvings + 1)
    assert len(for_mates) <= halvings


async def test_the_last_id_of_all_may_be_the_one_at_fault(set_up: SetUp) -> None:
    """Alone it looks like an API that is down; once it is given up, there is nothing left that would be."""
    _, poison = first_poison("503", seed=5)
    setup = await set_up([poison], api=HASTY | {"faults": "hostile", "seed": 5}, settings={"max_attempts": 1})
    outages = 0
    while setup.states[poison] != "failed":
        assert outages < 10
        try:
            await setup.run()
        except ApiUnavailable:
            outages += 1
            assert setup.states[poison] == "pending"
    assert_all_true(setup)


# --- the API down


def assert_given_up_soon_after(setup: CrawlSetup, patience_seconds: float, concurrency: int, attempts: int = 0) -> None:
    """By the calls sent after that, not by the clock, which also counts how long a busy machine takes for each.

    Those that went first, all at once, may have taken longer than that. `attempts`: so often a batch is sent whenever.
    """
    calls = sorted(setup.calls, key=lambda call: call.sent_at)
    assert setup.clock.monotonic() - setup.started >= patience_seconds
    sent = Counter[tuple[str, ...]]()
    late = 0
    for number, call in enumerate(calls):
        is_late = call.sent_at - calls[0].sent_at >= patience_seconds
        late += number >= concurrency and is_late and sent[call.ids] >= attempts
        sent[call.ids] += 1
    assert late <= MAX_FAILED_PROBES + 1


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, kept from others meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def test_an_api_that_cannot_be_reached_costs_no_unit(set_up: SetUp, closed_port: int) -> None:
    reach = f"http://127.0.0.1:{closed_port}/youtube/v3"
    setup = await set_up(1_000, api=HASTY, base_url=reach, settings={"concurrency": 20})
    with pytest.raises(ApiUnavailable) as down:
        await setup.run()
    assert (down.value.exit_code, down.value.worth_retrying) == (4, True)
    assert_given_up_soon_after(setup, 600, 20)
    assert (setup.units, setup.report.units) == (0, 0)
    assert_handed_back(setup)


@pytest.mark.parametrize("concurrency", [1, 50])
async def test_an_api_that_is_down_is_given_up_after_a_while_and_for_few_units(set_up: SetUp, concurrency: int) -> None:
    setup = await set_up(5_000, api=HASTY, settings={"concurrency": concurrency})
    setup.simulator.script(*["503"] * 1_000)
    with pytest.raises(ApiUnavailable) as down:
        await setup.run()
    assert "600 s" in down.value.what
    assert "backendError" in down.value.what
    assert_given_up_soon_after(setup, 600, concurrency)
    # Those under way together when it went down, some of them again, then a probe every now and then.
    assert setup.simulator.report()["calls"] <= 2 * concurrency + 50
    assert_handed_back(setup)


@pytest.mark.parametrize("ids", [1, 2, 120])
async def test_so_it_is_by_a_run_with_fewer_batches_than_calls_allowed_at_once(set_up: SetUp, ids: int) -> None:
    setup = await set_up(ids, api=HASTY, settings={"concurrency": 50})
    setup.simulator.script(*["wrong_kind"] * 1_000)
    with pytest.raises(ApiUnavailable, match="600 s"):
        await setup.run()
    assert_given_up_soon_after(setup, 600, 3, RunSettings().max_attempts)
    assert_handed_back(setup)


async def test_a_crawl_goes_on_where_an_outage_ended_it(set_up: SetUp) -> None:
    setup = await set_up(1_000, settings={"patience_seconds": 30})
    setup.simulator.script(*["503"] * 30)
    with pytest.raises(ApiUnavailable):
        await setup.run()
    for _ in range(10):
        try:
            done = await setup.run()
            break
        except ApiUnavailable:
            continue
    assert done.ending is Ending.NOTHING_LEFT
    assert_all_true(setup)


async def test_an_outage_that_passes_in_time_is_survived(set_up: SetUp) -> None:
    setup = await set_up(2_000, settings={"concurrency": 8})
    setup.simulator.script(*["503"] * 14)
    assert (await setup.run()).ending is Ending.NOTHING_LEFT
    assert_all_true(setup)


async def test_when_every_batch_is_refused_the_run_ends_before_it_costs_the_day(set_up: SetUp) -> None:
    setup = await set_up(5_000, settings={"concurrency": 10})
    setup.simulator.script(*["400_bad_request"] * 1_000)
    with pytest.raises(ConfigError, match="refused 30 batches in a row"):
        await setup.run()
    assert setup.simulator.report()["calls"] <= 30 + 10
    assert_handed_back(setup)


# --- asked to stop


async def test_a_stop_lets_the_calls_under_way_come_home(set_up: SetUp) -> None:
    setup = await set_up(2_000, api={"latency_seconds": 0.3})
    stop = Stop()
    done, _ = await asyncio.gather(setup.run(stop), stopped_after(setup, 4, stop))
    assert done.ending is Ending.STOPPED
    report = setup.simulator.report()
    assert report["calls"] == report["good"] == done.good
    assert (report["gone"], report["in_flight"]) == (0, 0)
    assert setup.count_of("pending") == 2_000 - done.good * BATCH_SIZE > 0
    assert setup.findings == []


async def test_a_second_stop_ends_at_once_and_gives_every_claim_back(set_up: SetUp) -> None:
    setup = await set_up(2_000, **UNANSWERED)
    stop = Stop()

    async def ask_twice() -> None:
        await stopped_after(setup, 4, stop)
        stop.ask()

    done, _ = await asyncio.gather(setup.run(stop), ask_twice())
    assert done.ending is Ending.STOPPED
    assert_handed_back(setup)
    (day,) = setup.progress.days
    assert (day.calls, day.abandoned, day.units) == (4, 4, 44)


async def test_a_stop_cuts_every_pause_short(set_up: SetUp) -> None:
    # The pause is sixty simulated seconds, which would be hours here.
    setup = await set_up(500, api={"clock_speed": 0.01})
    setup.simulator.script(*["quota_untrue"] * 4)
    stop = Stop()
    done, _ = await asyncio.gather(setup.run(stop), stopped_after(setup, 4, stop))
    assert done.ending is Ending.STOPPED
    assert_handed_back(setup)


async def test_a_run_that_is_cancelled_leaves_no_claim_behind(set_up: SetUp) -> None:
    setup = await set_up(2_000, **UNANSWERED)
    run = asyncio.create_task(setup.run())
    await stopped_after(setup, 4, Stop())
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert_handed_back(setup)


class Night(ScaledClock):
    """It waits out the night instead of leaping over it."""

    def __init__(self, start: datetime, speed: float) -> None:
        super().__init__(start, speed)
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds >= LEAP_SECONDS:
            self.asleep.set()
        await super().sleep(seconds)


async def test_a_stop_ends_the_sleep_until_the_next_day(set_up: SetUp) -> None:
    setup = await set_up(500, api={"daily_units": 22, "clock_speed": 1.0})
    clock = setup.clock = Night(setup.clock.now(), 1.0)
    stop = Stop()

    async def stop_when_asleep() -> None:
        await until(clock.asleep.is_set)
        stop.ask()

    done, _ = await asyncio.gather(setup.run(stop, until_done=True), stop_when_asleep())
    assert (done.ending, done.calls) == (Ending.STOPPED, 2)
    assert setup.findings == []
