"""The command line in a process that dies: `python mortal.py '{"point": "between chunks", "visit": 2}' load ids.txt`.

It kills itself at the `visit`-th time that the named point of the real code is passed, `delay_seconds` after that
where they are given; with `signal` it sends itself that one. `chunk_rows` makes a load's chunks small, of which
so many `read_ahead_ids` may wait, `again_at_once` those of retry and prune; `migrations` and `revision` make it a later
harvester.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import event

from harvester import changes_between_runs, loader, sources
from harvester.cli.program import main
from harvester.export import worker_processes
from harvester.export.formats.sqlite import write_database
from harvester.export.storage import local, local_draft, local_parts_folder
from harvester.ledger.ledger import Ledger
from harvester.ledger.sqlite import connection, migrate
from harvester.ledger.transaction_runner import TransactionRunner
from harvester.ledger.transactions import listings, loads, prune, requeue
from harvester.youtube.client import YouTubeClient

Strike = Callable[[], None]


class Countdown:
    """Strikes once."""

    def __init__(self, visit: int, delay_seconds: float | None, number: int) -> None:
        self._left = visit
        self._number = number
        self._delay_seconds = delay_seconds

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            if self._delay_seconds is None:
                os.kill(os.getpid(), self._number)
            threading.Thread(target=self._die_later, daemon=True).start()

    def _die_later(self) -> None:
        assert self._delay_seconds is not None
        time.sleep(self._delay_seconds)  # pause: how far into the point it dies
        os.kill(os.getpid(), self._number)


def before(owner: Any, name: str, strike: Strike) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        strike()
        return original(*args, **kwargs)

    setattr(owner, name, wrapped)


def after(owner: Any, name: str, strike: Strike) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        strike()
        return result

    setattr(owner, name, wrapped)


def around(wrap: Callable[[Any, str, Strike], None], transaction: Any, strike: Strike) -> None:
    """`before` or `after` a transaction, wherever the ledger runs it."""
    watched = SimpleNamespace(transaction=transaction)
    wrap(watched, "transaction", strike)
    run = TransactionRunner.run

    def run_watched(runner: TransactionRunner, asked: Any, *args: Any, **kwargs: Any) -> Any:
        return run(runner, watched.transaction if asked is transaction else asked, *args, **kwargs)

    TransactionRunner.run = run_watched  # type: ignore[method-assign, assignment]


def between_chunks(strike: Strike) -> None:
    add = Ledger.add

    async def added(*args: Any) -> Any:
        addition = await add(*args)
        strike()
        return addition

    Ledger.add = added  # type: ignore[method-assign]


def after_the_page_is_committed(strike: Strike) -> None:
    settle = Ledger.settle

    async def settled(*args: Any) -> Any:
        done = await settle(*args)
        strike()
        return done

    Ledger.settle = settled  # type: ignore[method-assign]


def within_the_commit(strike: Strike) -> None:
    """Of a migration: SQLAlchemy commits that one."""
    writing_engine = connection.writing_engine

    def watched(path: Path) -> Any:
        engine = writing_engine(path)
        event.listen(engine, "commit", lambda _: strike())
        return engine

    migrate.writing_engine = watched


def before_the_manifest(strike: Strike) -> None:
    """What it speaks of is there."""
    for module in (local, local_parts_folder):
        before(module, "replace_manifest", strike)


POINTS: dict[str, Callable[[Strike], None]] = {
    "between chunks": between_chunks,
    "within the transaction": lambda strike: around(after, loads.add, strike),
    "before ids are requeued": lambda strike: around(before, requeue.requeue, strike),
    "within the transaction that requeues": lambda strike: around(after, requeue.requeue, strike),
    "before responses are deleted": lambda strike: around(before, prune.prune, strike),
    "within the transaction that deletes": lambda strike: around(after, prune.prune, strike),
    "before a listing is claimed": lambda strike: around(before, listings.claim, strike),
    "within the transaction that claims a listing": lambda strike: around(after, listings.claim, strike),
    "before a page is asked for": lambda strike: before(YouTubeClient, "fetch", strike),
    "before a page is settled": lambda strike: before(listings, "_settle", strike),
    "within the transaction that settles a page": lambda strike: after(listings, "_settle", strike),
    "after a page is committed": after_the_page_is_committed,
    "while the database is made": lambda strike: after(write_database, "_insert", strike),
    "while the draft is written": lambda strike: after(local_draft.FileDraft, "write", strike),
    "before the draft is on disk": lambda strike: before(os, "fsync", strike),
    "before the draft takes its place": lambda strike: before(local_draft.FileDraft, "replace_target", strike),
    "before a part is written": lambda strike: before(local_parts_folder.LocalPlace, "write", strike),
    "before the parts take their place": lambda strike: before(local_parts_folder._Draft, "commit", strike),
    "before a part appears": lambda strike: before(os, "rename", strike),
    "before the old parts are removed": lambda strike: before(local_parts_folder, "_unlink", strike),
    "before the draft is removed": lambda strike: before(local_parts_folder._Draft, "discard", strike),
    "before the manifest": before_the_manifest,
    "before the copy is on disk": lambda strike: before(os, "fsync", strike),
    "before the copy has its name": lambda strike: after(migrate, "copy_file", strike),
    "before the migration": lambda strike: before(migrate, "migrate", strike),
    "after the migration": lambda strike: after(migrate, "migrate", strike),
    "within the commit": within_the_commit,
    "before the copy is removed": lambda strike: before(migrate, "_remove_backup", strike),
}


def arm(death: dict[str, Any]) -> None:
    if "chunk_rows" in death:
        sources.read_ids = functools.partial(sources.read_ids, chunk_rows=death["chunk_rows"])
        loader.READ_AHEAD_IDS = death.get("read_ahead_ids", 0)
    if "again_at_once" in death:
        changes_between_runs.REQUEUED_POSITIONS = changes_between_runs.PRUNED_RESPONSES = death["again_at_once"]
    if "migrations" in death:
        migrate.migrations_folder = lambda: Path(death["migrations"])
        migrate.REVISION = death["revision"]
    if "processors" in death:
        worker_processes._processors = lambda: death["processors"]
    if "point" in death:
        number = death.get("signal", signal.SIGKILL)
        POINTS[death["point"]](Countdown(death.get("visit", 1), death.get("delay_seconds"), number))


if __name__ == "__main__":
    arm(json.loads(sys.argv.pop(1)))
    main(prog_name="harvester")
