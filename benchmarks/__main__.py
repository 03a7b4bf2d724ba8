"""`make bench`: what harvester costs above the wire, measured in turn with the floor in the same run.

The floor is a bare aiohttp client that reads every body, gunzips it and throws it away. Ours is a whole `run`: claim,
reserve, fetch, check, store and settle, each transaction on disk before the next step. Both ask the same simulated
API, in a process of its own on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from harvester.app import Harvester
from harvester.config import isolated_config
from harvester.simulator import SimulatorProcess, SimulatorSettings, make_ids

BATCH = 50
CONCURRENCY = 50
PARTS = "snippet,contentDetails,status,statistics,topicDetails"


async def floor(base_url: str, ids: Sequence[str]) -> None:
    """Ask for all ids with nothing behind it."""
    batches = iter([ids[start : start + BATCH] for start in range(0, len(ids), BATCH)])
    headers = {"X-Goog-Api-Key": "any", "User-Agent": "floor (gzip)", "Accept-Encoding": "gzip"}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as session:

        async def lane() -> None:
            for batch in batches:
                query = {"part": PARTS, "id": ",".join(batch), "prettyPrint": "false"}
                async with session.get(f"{base_url}/videos", params=query) as response:
                    await response.read()

        await asyncio.gather(*(lane() for _ in range(CONCURRENCY)))


async def ours(base_url: str, ids: Sequence[str], folder: Path) -> float:
    """Load the ids, then run; seconds of the run alone."""
    source = folder / "songs.csv"
    source.write_text("song\n" + "\n".join(ids) + "\n", encoding="ascii")
    config = isolated_config(
        {
            "source": {"uri": str(source)},
            "ledger": {"url": f"sqlite:///{folder / 'harvest.db'}"},
            "youtube": {"base_url": base_url},
            "quota": {"daily_units": 1_000_000_000},
            "run": {"concurrency": CONCURRENCY},
        }
    )
    harvester = Harvester(config, chance=random.Random(1), key=SecretStr("any"))
    await harvester.load()
    began = time.perf_counter()
    report, _ = await harvester.run()
    seconds = time.perf_counter() - began
    assert report.good == len(ids) // BATCH, report
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="keep the figures here")
    arguments = parser.parse_args()
    ids = list(make_ids(1, arguments.calls * BATCH))
    rates: dict[str, list[float]] = {"floor": [], "harvester run": []}
    with SimulatorProcess(SimulatorSettings(daily_units=1_000_000_000)) as simulator:
        for _ in range(arguments.rounds):
            began = time.perf_counter()
            asyncio.run(floor(simulator.base_url, ids))
            rates["floor"].append(arguments.calls / (time.perf_counter() - began))
            with tempfile.TemporaryDirectory() as folder:
                seconds = asyncio.run(ours(simulator.base_url, ids, Path(folder)))
            rates["harvester run"].append(arguments.calls / seconds)
    ratios = [mine / bare for mine, bare in zip(rates["harvester run"], rates["floor"], strict=True)]
    print(f"{'calls a second':<16}{'median':>9}{'least':>9}{'most':>9}")
    for name, values in rates.items():
        print(f"{name:<16}{statistics.median(values):>9,.0f}{min(values):>9,.0f}{max(values):>9,.0f}")
    print(f"{'ratio':<16}{statistics.median(ratios):>9.2f}{min(ratios):>9.2f}{max(ratios):>9.2f}")
    if arguments.json:
        figures = {"when": datetime.now(UTC).isoformat(), "calls": arguments.calls, "rates": rates, "ratios": ratios}
        arguments.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
