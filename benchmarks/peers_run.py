"""`make bench-peers`: how fast harvester crawls, beside the floor and the tools that people use, in turn in one run.

Each is a fresh process against the same server and asks for the same batches of 50 ids, 50 calls at once where it can.
The crawl's own time leaves out what a start costs, imports most of all; the whole process has it in.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import ratios
from benchmarks.measure import Measured, run_process
from benchmarks.server import BATCH, BenchServer
from harvester import __version__

CONCURRENCY = 50
TOP = Path(__file__).parents[1]
SCRIPTS = Path(__file__).parent / "peers"
PEERS_PYTHON = TOP / ".venv-peers" / "bin" / "python"
HARVESTER = Path(sys.executable).parent / "harvester"

OURS, FLOOR = "harvester", "floor"
# a call takes the slow ones so long that a few say as much as many
MOST_CALLS = {"scrapy_jobdir": 200, "crawlee_sqlite": 200, "minet_videos": 200, "youtool_videos": 200}
_TITLES = (
    *("tool", "version", "calls", "calls/s, crawl", "ours ×", "calls/s, process", "ours ×", "CPU ms/call", "peak MB"),
    *("kept", "outlives kill -9"),
)
PEERS = ("course", "google_client", *MOST_CALLS)


@dataclass
class Result:
    """One contestant over the rounds; the lists have a figure a round."""

    name: str
    calls: int
    reported: dict[str, Any] = field(default_factory=dict)
    crawl_seconds: list[float] = field(default_factory=list)
    process_seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)
    failure: str = ""

    @property
    def rates(self) -> list[float]:
        """Calls a second of the crawl itself."""
        return [self.calls / seconds for seconds in self.crawl_seconds]

    @property
    def process_rates(self) -> list[float]:
        """Calls a second of the whole process."""
        return [self.calls / seconds for seconds in self.process_seconds]

    def add(self, measured: Measured, reported: dict[str, Any]) -> None:
        if reported["ok"] != self.calls:
            raise RuntimeError(f"{reported['ok']} of {self.calls} calls were good")
        self.reported = {name: reported[name] for name in ("tool", "version", "kept", "durable")}
        self.crawl_seconds.append(reported["seconds"])
        self.process_seconds.append(measured.seconds)
        self.cpu_seconds.append(measured.cpu_seconds)
        self.peak_bytes.append(measured.peak_bytes)


def measure(
    calls: int, rounds: int, *, latency_ms: int = 0, concurrency: int = CONCURRENCY, peers: Sequence[str] = PEERS
) -> list[Result]:
    """The floor, ours and each peer, one after another, `rounds` times. A peer that fails is told, and left out."""
    names = (FLOOR, OURS, *peers)
    results = {name: Result(name, min(calls, MOST_CALLS.get(name, calls))) for name in names}
    with BenchServer(calls, latency_ms=latency_ms) as server:
        for _ in range(rounds):
            for result in results.values():
                if not result.failure:
                    _one(server, result, concurrency)
    return list(results.values())


def _one(server: BenchServer, result: Result, concurrency: int) -> None:
    """One crawl. What it says of itself is held against what the server has counted."""
    before = server.counts()
    ids = server.ids[: result.calls * BATCH]
    with tempfile.TemporaryDirectory() as folder:
        try:
            crawl = _ours if result.name == OURS else _script
            result.add(*crawl(result.name, server.base_url, ids, Path(folder), concurrency))
        except RuntimeError as error:
            if result.name in (OURS, FLOOR):
                raise
            result.failure = str(error).strip().splitlines()[-1]
            return
    after = server.counts()
    asked, unknown = after["calls"] - before["calls"], after["unknown"] - before["unknown"]
    assert (asked, unknown) == (result.calls, 0), f"{result.name} asked {asked} times, and {unknown} for no batch"


def _script(
    name: str, base_url: str, ids: Sequence[str], folder: Path, concurrency: int
) -> tuple[Measured, dict[str, Any]]:
    python = sys.executable if name == FLOOR else PEERS_PYTHON
    given, out = folder / "ids.txt", folder / "out"
    given.write_text("\n".join(ids), encoding="ascii")
    out.mkdir()
    measured = run_process([python, SCRIPTS / f"{name}.py", base_url, given, out, str(concurrency)], cwd=folder)
    reported: dict[str, Any] = json.loads(measured.stdout.splitlines()[-1])
    if "skipped" in reported:
        raise RuntimeError(f"skipped: {reported['skipped']}")
    return measured, reported


def _ours(
    name: str, base_url: str, ids: Sequence[str], folder: Path, concurrency: int
) -> tuple[Measured, dict[str, Any]]:
    """`harvester load`, then `harvester run`; the run alone is measured. The crawl's own time is by its ledger."""
    (folder / "songs.csv").write_text("\n".join(["song", *ids, ""]), encoding="ascii")
    settings = {
        "HARVESTER_LEDGER__URL": f"sqlite:///{folder / 'harvest.db'}",
        "HARVESTER_YOUTUBE__BASE_URL": base_url,
        "HARVESTER_QUOTA__DAILY_UNITS": "1000000000",
        "HARVESTER_RUN__CONCURRENCY": str(concurrency),
        "YOUTUBE_API_KEY": "any",
    }
    run_process([HARVESTER, "-q", "load", "songs.csv"], env=settings, cwd=folder)
    measured = run_process([HARVESTER, "-q", "run"], env=settings, cwd=folder)
    with closing(sqlite3.connect(folder / "harvest.db")) as ledger:
        good = "SELECT count(*), min(started_at), max(finished_at) FROM calls WHERE state = 'ok'"
        ok, first, last = ledger.execute(good).fetchone()
    seconds = (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()
    reported = {"tool": name, "version": __version__, "ok": ok, "seconds": seconds}
    return measured, reported | {"kept": "sqlite", "durable": "every answer settled; the next run continues at once"}


def table(results: Sequence[Result]) -> str:
    """As Markdown: medians, and between brackets the least and the most."""
    ours = next(result for result in results if result.name == OURS)
    lines = [_TITLES, ("---",) * len(_TITLES), *(_line(result, ours) for result in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _line(result: Result, ours: Result) -> tuple[str, ...]:
    if result.failure:
        return (result.name, "", "", "failed", *("",) * (len(_TITLES) - 5), result.failure)
    reported = result.reported
    return (
        result.name if result.name == reported["tool"] else f"{result.name} ({reported['tool']})",
        reported["version"],
        f"{result.calls:,}",
        _spread(result.rates),
        _ratio(ours.rates, result.rates),
        _spread(result.process_rates),
        # a start weighs more on fewer calls
        _ratio(ours.process_rates, result.process_rates) if result.calls == ours.calls else "",
        f"{statistics.median(result.cpu_seconds) / result.calls * 1000:.2f}",
        f"{statistics.median(result.peak_bytes) / 1e6:,.0f}",
        reported["kept"],
        reported["durable"],
    )


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    return f"{statistics.median(ratios(ours, theirs)):.2f}"


def _spread(rates: Sequence[float]) -> str:
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("--calls", type=int, default=1000, help="the slow ones make 200 at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency-ms", type=int, default=0, help="what each answer waits before it is sent")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, metavar="NAME", help=", ".join(PEERS))
    parser.add_argument("--json", type=Path, help="keep the results here")
    arguments = parser.parse_args()
    if arguments.peers and not PEERS_PYTHON.exists():
        parser.error("the other tools are not installed: make bench-peers does it")
    results = measure(arguments.calls, arguments.rounds, latency_ms=arguments.latency_ms, peers=arguments.peers)
    # other work on the machine takes calls a second away, most of all from those that write to its disk
    machine = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    print(f"{arguments.rounds} rounds, {CONCURRENCY} at once, {arguments.latency_ms} ms a call, {machine}\n")
    print(table(results))
    if arguments.json:
        kept = machine | {"when": datetime.now(UTC).isoformat(), "latency_ms": arguments.latency_ms}
        arguments.json.write_text(json.dumps(kept | {"results": [asdict(result) for result in results]}, indent=2))


if __name__ == "__main__":
    main()
