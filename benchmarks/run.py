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
    bare, ours = peers_run.measure(CALLS, rounds, peers=())
    _, slow = peers_run.measure(SLOW_CALLS, rounds, latency_ms=LATENCY_MS, concurrency=LANES, peers=())
    _, whole = peers_run.measure(WHOLE_CRAWL, 1, peers=())
    possible = LANES * 1000 / LATENCY_MS
    return [
        Figure(
            "run: calls a second, of a bare client's", ratios(ours.rates, bare.rates), must=0.7, aim=1.0, least=True
        ),
        Figure(
            f"run at {LATENCY_MS} ms a call, {LANES} lanes: of the calls that are possible",
            [rate / possible for rate in slow.rates],
            must=0.9,
            aim=0.97,
            least=True,
        ),
        Figure(f"run, {CALLS:,} calls: peak memory", [peak / MB for peak in ours.peak_bytes], "MB", must=150, aim=110),
        Figure(
            f"run, {WHOLE_CRAWL:,} calls: peak memory",
            [peak / MB for peak in whole.peak_bytes],
            "MB",
            must=150,
            aim=110,
        ),
        Figure("run", ours.rates, "calls/s"),
        Figure("run, CPU", [1000 * seconds / CALLS for seconds in ours.cpu_seconds], "ms/call"),
        Figure("bare client", bare.rates, "calls/s"),
        Figure("bare client, CPU", [1000 * seconds / CALLS for seconds in bare.cpu_seconds], "ms/call"),
    ]
