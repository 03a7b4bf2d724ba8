"""`fetch_all`, for notebooks: takes a list of ids, returns the list of responses, and keeps both in the ledger."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harvester.model import BATCH_SIZE, IdRecord, VideoState
from harvester.support.progress_callback import Advance
from harvester.support.sanitize import count, escaped

if TYPE_CHECKING:
    from harvester.crawl.run_report import RunReport
    from harvester.ledger.ledger import Ledger

log = logging.getLogger(__name__)

T = TypeVar("T")

BODIES_AT_ONCE = 32
EXAMPLES = 5
EXAMPLE_CHARACTERS = 40
BAR_CHARACTERS = 30
REDRAW_SECONDS = 0.2
UNSETTLED = (VideoState.PENDING, VideoState.CLAIMED)


async def fetch_all(
    song_ids: Iterable[str], dry_run: bool = False, *, config: str | Path | None = None
) -> list[dict[str, Any]]:
    """Fetch these videos and return the list of `videos.list` responses, in the order of the ids.

    Progress is kept in the ledger of the settings (`config`, `$HARVESTER_CONFIG`, `./config.toml`, or else
    `harvest.db` beside the notebook): call it again after an interruption and it continues. It ends when
    all is fetched or the day's units are spent; call it again on another day for the rest.

    With `dry_run` nothing is sent or spent: what the ledger holds is returned, and an empty response stands for each
    call that would be made. Ids of the list that other calls had fetched come with responses that hold just them.

    A text is read as `harvester load` reads it: an id may stand in an address, or have white space around it.
    Texts that hold none are counted in a warning and not asked for.

    Raises TypeError where `song_ids` is a table or a single text, CredentialsError without a key or with a refused one,
    ApiUnavailable when the API is down.
    """
    from harvester.app import Harvester
    from harvester.config import find_config, load_config
    from harvester.crawl.batch_source import ChosenIds
    from harvester.crawl.run_report import RunReport
    from harvester.ledger.open import open_ledger

    _show_log_lines()
    ids = _distinct(song_ids)
    harvester = Harvester(load_config(find_config(Path(config) if config else None)))
    log.info("Requesting data for %s. Please wait...", count(len(ids), "video"))
    began = time.perf_counter()
    harvester.init()
    async with open_ledger(harvester.config.ledger.url) as ledger:
        await _add(ledger, ids)
        places = await ledger.find(ids)
        while not dry_run and (wanted := _pending(places)):
            report = RunReport()
            groups = (wanted[start : start + BATCH_SIZE] for start in range(0, len(wanted), BATCH_SIZE))
            batches = ChosenIds(ledger, groups)
            async with _bar(report, len(wanted)), harvester.runner(ledger, report, batches=batches) as runner:
                await runner.run()
            places = await ledger.find(ids)
            if report.calls == 0 or len(_pending(places)) == len(wanted):
                break
        responses = await _responses(ledger, ids, places)
    left = sum(place.state in UNSETTLED for place in places.values())
    seconds = time.perf_counter() - began
    if dry_run:
        log.info("Dry run: %s would be sent.", count(-(-left // BATCH_SIZE), "call"))
        return responses + [_empty_response() for _ in range(0, left, BATCH_SIZE)]
    fetched = sum(len(response["items"]) for response in responses)
    log.info("Done! Fetched data from %s in %.1f sec", count(fetched, "video"), seconds)
    if left:
        log.warning("%s left: the day's quota is spent. Call again tomorrow.", count(left, "video", "is"))
    return responses


def alt_fetch_all(
    song_ids: Iterable[str], dry_run: bool = False, *, config: str | Path | None = None
) -> list[dict[str, Any]]:
    """`fetch_all` for code without an event loop, and for notebooks whose own loop is already running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(fetch_all(song_ids, dry_run, config=config))
    return _in_thread(fetch_all(song_ids, dry_run, config=config))


def _in_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it on a loop of its own in another thread, since this thread has one already. An interrupt cancels it and
    waits."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="harvester-fetch-all")
    thread.start()
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return future.result()
    finally:
        future.cancel()
        asyncio.run_coroutine_threadsafe(_all_ended(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@asynccontextmanager
async def _bar(report: RunReport, videos: int) -> AsyncIterator[None]:
    """Show in a notebook how far the calls are, on a line of the cell's output; elsewhere nothing."""
    ipython: Any = sys.modules.get("IPython")  # a notebook's kernel has imported it
    if ipython is None or getattr(ipython.get_ipython(), "kernel", None) is None:
        yield
        return
    from harvester.report.progress_figures import Rate, advanced, duration

    rate = Rate()

    def line() -> dict[str, str]:
        done = report.settled
        advance = Advance(done, videos, note=count(report.calls, "call"))
        figures = advanced(advance, "video", rate.at(time.monotonic(), done), 0)
        drawn = "█" * (BAR_CHARACTERS * done // videos)
        left = f", {duration(figures.seconds_left)} left" if figures.seconds_left else ""
        return {"text/plain": f"{drawn:░<{BAR_CHARACTERS}} {', '.join(figures.parts)}{left}"}

    handle = ipython.display.display(line(), raw=True, display_id=True)

    async def redraw() -> None:
        while True:
            await asyncio.sleep(REDRAW_SECONDS)
            handle.update(line(), raw=True)

    task = asyncio.create_task(redraw())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        handle.update(line(), raw=True)


async def _all_ended() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


def _distinct(song_ids: Iterable[str]) -> list[str]:
    """The ids in the texts, each once, and the texts that hold none; nothing where none of them is an id.

    Raises TypeError for what is no list of texts.
    """
    from harvester.sources import is_video_id, read_text

    if isinstance(song_ids, str):
        raise TypeError("song_ids is one text, not a list of them")
    if hasattr(song_ids, "columns") or hasattr(song_ids, "column_names"):
        raise TypeError('song_ids is a table, not a list of ids: pass one column of it, such as songs["song"]')
    texts = list(song_ids)
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"song_ids holds {text!r}, which is no text: leave missing values out")
    # A lone surrogate is no Unicode, and no database takes it.
    read = [read_text(text.encode(errors="replace").decode()) for text in texts]
    strange = [text for text in read if not is_video_id(text)]
    if strange:
        examples = ", ".join(escaped(text, EXAMPLE_CHARACTERS) for text in list(dict.fromkeys(strange))[:EXAMPLES])
        log.warning("%d of the %d texts are no video ids and are not asked for: %s", len(strange), len(texts), examples)
    return list(dict.fromkeys(read)) if len(strange) < len(read) else []


async def _add(ledger: Ledger, ids: Sequence[str]) -> None:
    from harvester.sources import is_video_id

    load_id = await ledger.open_load("fetch_all", datetime.now(UTC))
    invalid = [video_id for video_id in ids if not is_video_id(video_id)]
    await ledger.add(ids, invalid, 0, load_id, len(ids))
    await ledger.close_load(load_id, datetime.now(UTC))


def _pending(places: dict[str, IdRecord]) -> list[int]:
    return sorted(place.position for place in places.values() if place.state is VideoState.PENDING)


async def _responses(ledger: Ledger, ids: Sequence[str], places: dict[str, IdRecord]) -> list[dict[str, Any]]:
    """The stored responses that hold any of the ids, in the order of the first of them; other ids are left out."""
    wanted: dict[int, set[str]] = {}
    for video_id in ids:
        place = places[video_id]
        if place.call_id is not None and place.state in (VideoState.FETCHED, VideoState.MISSING):
            wanted.setdefault(place.call_id, set()).add(video_id)
    responses = []
    calls = list(wanted)
    for start in range(0, len(calls), BODIES_AT_ONCE):
        chunk = calls[start : start + BODIES_AT_ONCE]
        bodies = await ledger.bodies(chunk)
        for call_id in chunk:
            body = bodies.get(call_id)
            if body is None:
                continue  # pruned: its fetched ids are pending, and its missing ones have no response
            response = json.loads(body.raw())
            response["items"] = [item for item in response["items"] if item["id"] in wanted[call_id]]
            responses.append(response)
    return responses


def _empty_response() -> dict[str, Any]:
    return {
        "kind": "youtube#videoListResponse",
        "etag": "",
        "items": [],
        "pageInfo": {"totalResults": 0, "resultsPerPage": 0},
    }


def _show_log_lines() -> None:
    """Set up logging unless something has: a notebook shows no log lines by default."""
    logger = logging.getLogger("harvester")
    if not logger.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
