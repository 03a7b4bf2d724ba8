"""Processes of their own for the tests that share a ledger with others, or are killed at it.

    python ledger_program.py crawl|hold|load|churn|fill_disk URL …
    python ledger_program.py try_actions PATH …

Each says a line when something is committed, and waits for its standard input where it must not go on.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
from pathlib import Path

from ledger_kit import NOW, PRICE, a_batch, a_budget, a_fault, a_run, good, read, video_ids, write

from harvester.errors import HarvesterError
from harvester.ledger.ledger import Ledger
from harvester.ledger.open import open_ledger
from harvester.ledger.process_identity import this_process
from harvester.ledger.sqlite.migrate import check, prepare
from harvester.loader import load
from harvester.model import Batch, GiveBack
from harvester.sources.classify_ids import IdChunk

CHUNK = 400
LOADED = 20_000
KILLED_BY = 72
"""A load goes no further than this chunk of 150: it may be far ahead of the test that kills it, and by the 75th every
id has come once."""


def say(*words: object) -> None:
    print(*words, flush=True)


def wait_for_a_word() -> None:
    say("ready")
    sys.stdin.readline()


async def crawl(ledger: Ledger, limit: str) -> None:
    """Claim and settle until there is no more; then say which ids were claimed."""
    run = await a_run(ledger, this_process())
    wait_for_a_word()
    claimed: list[str] = []
    while isinstance(batch := await ledger.claim(run, a_budget(int(limit)), NOW), Batch):
        claimed += batch.ids
        assert await ledger.settle(batch, good(batch, missing=batch.ids[:1]), NOW)
    await ledger.close_run(run, NOW, batch.value)
    say(json.dumps(claimed))


async def hold(ledger: Ledger, count: str) -> None:
    """Claim that many batches and keep them."""
    run = await a_run(ledger, this_process())
    for _ in range(int(count)):
        await a_batch(ledger, run)
    wait_for_a_word()


def loaded_ids() -> list[str]:
    """Each of them twice, and some that are none."""
    ids = video_ids(LOADED)
    return [text for pair in zip(ids, reversed(ids), strict=True) for text in (*pair, f"bad {pair[0][7]}")]


def chunks() -> list[IdChunk]:
    ids = loaded_ids()
    parts = [list(dict.fromkeys(ids[start : start + CHUNK])) for start in range(0, len(ids), CHUNK)]
    return [IdChunk(CHUNK, part, frozenset(text for text in part if " " in text), ()) for part in parts]


async def load_all(ledger: Ledger) -> None:
    def reported() -> list[IdChunk]:
        for number, chunk in enumerate(chunks()):
            if number == KILLED_BY:
                wait_for_a_word()
            say("chunk", number)
            yield chunk

    await load(ledger, reported())  # type: ignore[arg-type]


async def churn(ledger: Ledger, seed: str) -> None:
    """Everything a crawl does, in any order, until killed. Says each call that was settled, after its commit."""
    rng = random.Random(seed)
    run = await a_run(ledger, this_process())
    await ledger.recover(this_process(), NOW)
    while True:
        batch = await ledger.claim(run, a_budget(10_000_000 * PRICE), NOW)
        if not isinstance(batch, Batch):
            await ledger.add(video_ids(500, start=await ledger.last_position()), [], 0)
            continue
        match rng.randrange(6):
            case 0:
                await ledger.give_back(batch, a_fault(), rng.choice(list(GiveBack)), NOW)
            case 1:
                await ledger.retry(run, batch, a_fault(sent=rng.random() < 0.5), a_budget(), NOW)
            case 2:
                pass  # stays claimed
            case _:
                await ledger.settle(batch, good(batch, missing=batch.ids[:2]), NOW)
                say(batch.call_id)


async def fill_disk(ledger: Ledger) -> None:
    """Add until no file may grow any more; then let them grow, and add once more."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
    start = 0
    while True:
        try:
            await ledger.add(video_ids(500, start), [], 0)
        except HarvesterError as error:
            say(type(error).__name__, error.exit_code, error.what)
            break
        start += 500
        say(start)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await ledger.add(video_ids(500, start), [], 0)
    say((await ledger.progress()).total, "ids")


def try_actions(path: Path, *actions: str) -> None:
    """As a common user."""
    sys.path.append(str(Path(__file__).parents[1]))
    from rights import drop_rights_of_root

    drop_rights_of_root()
    for action in actions:
        try:
            {"check": check, "prepare": prepare, "read": read, "write": write}[action](path)
            say("ok")
        except HarvesterError as error:
            say(type(error).__name__, error.exit_code, error.what)


async def main(role: str, url: str, *arguments: str) -> None:
    roles = {"crawl": crawl, "hold": hold, "load": load_all, "churn": churn, "fill_disk": fill_disk}
    async with open_ledger(url) as ledger:
        await roles[role](ledger, *arguments)  # type: ignore[operator]


if __name__ == "__main__":
    if sys.argv[1] == "try_actions":
        try_actions(Path(sys.argv[2]), *sys.argv[3:])
    else:
        asyncio.run(main(*sys.argv[1:]))
