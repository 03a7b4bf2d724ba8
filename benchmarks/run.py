"""`harvester run` with everything on, beside a bare aiohttp client: `python -m benchmarks run`.

The bare client reads, gunzips and throws away what it gets. Ours claims, reserves, fetches, checks, stores and settles,
every commit on disk before the connection continues. What other tools take is measured by `make bench-peers`.
"""

from __future__ import annotations

from benchmarks import peers_run
from benchmarks.figures import Figure, ratios

CALLS = 2000
WHOLE_CRAWL = 12_627
LATENCY_MS, LANES = 200, 100
SLOW_CALLS = 5000
"""Ten seconds: the first lanes, which all begin at once, count for little."""
MB = 1e6


def measure(rounds: int) -> list[Figure]:
    """The lines of the table, with what they must be."""
    bare, ours = peers_run.measure(WHOLE_CRAWL, rounds, peers=())
    _, short = peers_run.measure(CALLS, 1, peers=())
    _, slow = peers_run.measure(SLOW_CALLS, rounds, latency_ms=LATENCY_MS, concurrency=LANES, peers=())
    possible = LANES * 1000 / LATENCY_MS
    return [
        Figure(
            "run: calls a second, of a bare client's", ratios(ours.rates, bare.rates), must=0.85, aim=1.0, least=True
        ),
        Figure(
            f"run at {LATENCY_MS} ms a call, {LANES} lanes: of the calls that are possible",
            [rate / possible for rate in slow.rates],
            must=0.9,
            aim=0.97,
            least=True,
        ),
        *(
            Figure(f"run, {each.calls:,} calls: peak memory", _in_mb(each.peak_bytes), "MB", must=150, aim=110)
            for each in (short, ours)
        ),
        Figure("run", ours.rates, "calls/s"),
        Figure("run, CPU", _per_call(ours), "ms/call"),
        Figure("bare client", bare.rates, "calls/s"),
        Figure("bare client, CPU", _per_call(bare), "ms/call"),
    ]


def _in_mb(sizes: list[int]) -> list[float]:
    return [size / MB for size in sizes]


def _per_call(result: peers_run.Result) -> list[float]:
    """Milliseconds of CPU time, start included."""
    return [1000 * seconds / result.calls for seconds in result.cpu_seconds]
