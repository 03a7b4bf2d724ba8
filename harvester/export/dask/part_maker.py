"""Make parts on the workers of a Dask cluster. Each worker reads the ledger and writes its part itself.

Only the order of a part and its manifest entry are sent. Credentials are the workers' own. The parts belong to the
draft of this process: nothing is visible before all are there. If a worker dies, Dask has another one make its part.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import math
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from harvester.errors import ClusterUnavailable, ConfigError, HarvesterError, LedgerUnavailable, LedgerUnusable
from harvester.export.cut_parts import tools
from harvester.export.dask.cluster import ANSWER_SECONDS, connected, scheduler_asked
from harvester.export.part_writer import NextOrder, PartMaker, PartOrder, PartResult, Results, make, make_here
from harvester.export.storage.destination import KEPT
from harvester.export.worker_processes import in_one_process
from harvester.ledger.reader import LedgerReader
from harvester.model import Progress
from harvester.support.gc_tuning import tune_gc
from harvester.support.progress_callback import Advance, ProgressCallback
from harvester.support.sanitize import count as counted
from harvester.support.sanitize import shown

if TYPE_CHECKING:
    from distributed import Client, Future

NO_WORKER_SECONDS = 300.0
"""Seconds that a cluster may be without workers: adaptive ones need a while."""
LOOK_SECONDS = 1.0
"""Seconds between two reports of a worker's progress, and between two counts of the workers."""
_TOPIC = "harvester-export"
_OTHER_ENVIRONMENT = "Install the same youtube-harvester[dask] for the scheduler and every worker, from one lock file."

Asked: TypeAlias = "concurrent.futures.Future[PartResult | None]"
"""The result of a part."""
OpenReader = Callable[[], AbstractContextManager[LedgerReader]]


@dataclass(frozen=True, slots=True)
class OnDask:
    """A PartMaker that uses a Dask cluster."""

    address: str
    """The scheduler's address; `local` starts a cluster of this machine's processors."""
    open_reader: OpenReader
    """How a worker opens the ledger. It is pickled."""

    def __call__(self, reader: LedgerReader, next_order: NextOrder, watch: ProgressCallback) -> Results:
        export = f"{_TOPIC}-{secrets.token_hex(6)}"
        task = Task(self.open_reader, reader.progress(), tools(), export, LOOK_SECONDS)
        with connected(self.address) as client:
            yield from _Parts(client, task, watch).made(next_order)


def maker_for(
    dask: str | None, open_reader: Callable[..., AbstractContextManager[LedgerReader]], *ledger: object
) -> PartMaker:
    """Return the maker of the parts of a folder: workers of the scheduler at `dask`, which open `ledger`; of a new
    cluster of this machine if it is `local`; this process if it is None."""
    return make_here if dask is None else OnDask(dask, partial(open_reader, *ledger))


@dataclass(frozen=True, slots=True)
class Task:
    """The work of a worker."""

    open_reader: OpenReader
    progress: Progress
    """The counts of the exported snapshot."""
    tools: tuple[tuple[str, str], ...]
    export: str
    """A unique name of the export."""
    tell_seconds: float
    """Seconds between two reports of its progress."""

    def __call__(self, order: PartOrder) -> PartResult | None:
        tune_gc()
        try:
            self._see_that_tools_are_the_same()
            # A cluster has a worker for each processor.
            with in_one_process(), self._open() as reader:
                self._see_that_nobody_wrote(reader)
                return make(reader, order, _telling(self.export, order.name, self.tell_seconds))
        except HarvesterError as error:
            from distributed import get_worker

            error.what = f"On the Dask worker {get_worker().address}: {error.what}"
            raise

    def _open(self) -> AbstractContextManager[LedgerReader]:
        try:
            return self.open_reader()
        except LedgerUnusable as error:
            error.next_step = (
                "Let every worker see the ledger: its server, or its file under this path on a shared disk."
            )
            raise

    def _see_that_tools_are_the_same(self) -> None:
        if other := sorted(set(tools()) - set(self.tools)):
            name, here = other[0]
            raise ConfigError(
                f"{name} is {here} here and {dict(self.tools)[name]} where the export began: the bytes would differ.",
                state=KEPT,
                next_step=_OTHER_ENVIRONMENT,
            )

    def _see_that_nobody_wrote(self, reader: LedgerReader) -> None:
        """Raise if the ledger has changed since the export began: in SQLite each part is read from a snapshot of its
        own."""
        if reader.progress() != self.progress:
            raise LedgerUnavailable(
                "The ledger is not as it was when the export began: it was written to meanwhile, or is another copy.",
                state=KEPT,
                next_step="Export again while no run is under way, or without --dask.",
            )


def _telling(export: str, part: str, seconds: float) -> ProgressCallback:
    """Return a callback for a worker, which reports to the exporting process through the scheduler."""
    from distributed import get_worker

    spoke = time.monotonic()

    def tell(advance: Advance) -> None:
        nonlocal spoke
        if (now := time.monotonic()) - spoke >= seconds:
            spoke = now
            get_worker().log_event(_TOPIC, (export, part, advance.done, advance.bytes))

    return tell


class _Parts:
    """The orders under way. All of them are submitted at once; Dask assigns them to workers."""

    def __init__(self, client: Client, task: Task, watch: ProgressCallback) -> None:
        self._client, self._task, self._watch = client, task, watch
        self._numbers = count()
        self._under_way: dict[Asked, tuple[PartOrder, Future]] = {}
        self._ended: SimpleQueue[Asked] = SimpleQueue()
        self._done = 0
        self._so_far: dict[str, tuple[int, int]] = {}
        """Videos and bytes of parts under way, as last reported."""
        self._workers = 0
        self._seen, self._looked = time.monotonic(), -math.inf
        """When a worker was last seen, and when workers were last counted."""
        with scheduler_asked():
            client.subscribe_topic(_TOPIC, self._hear)

    def made(self, next_order: NextOrder) -> Results:
        """See PartMaker."""
        while self._hand_over(next_order):
            self._look()
            try:
                asked = self._ended.get(timeout=LOOK_SECONDS)
            except Empty:
                continue
            order, future = self._under_way.pop(asked)
            made = _result(future, asked)
            self._done += made is not None
            self._seen = time.monotonic()
            yield order, made
            self._tell()

    def _hand_over(self, next_order: NextOrder) -> bool:
        """Submit all orders. Returns whether any is under way."""
        while (order := next_order()) is not None:
            with scheduler_asked():
                key = f"{self._task.export}-{next(self._numbers)}"
                future = self._client.submit(self._task, order, key=key, pure=False)
            # Without a timeout: Dask 2026.8's client stops working after one. If a worker dies before it is asked, the
            # part is being made again.
            answer = self._client.gather(future, asynchronous=True)
            asked = asyncio.run_coroutine_threadsafe(answer, self._client.loop.asyncio_loop)
            self._under_way[asked] = order, future
            asked.add_done_callback(self._ended.put)
        return bool(self._under_way)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._workers, self._looked = _workers_of(self._client), now
        if self._workers:
            self._seen = now
        elif now - self._seen > NO_WORKER_SECONDS:
            raise ClusterUnavailable(
                f"The Dask cluster has no worker, and had none for {NO_WORKER_SECONDS:.0f} s.",
                state=KEPT,
                next_step="Start workers (dask worker tcp://scheduler:8786 --nthreads 1), then export again.",
            )
        self._tell()

    def _hear(self, event: tuple[float, tuple[str, str, int, int]]) -> None:
        """Called in another thread."""
        export, part, videos, size = event[1]
        if export == self._task.export:
            self._so_far[part] = videos, size

    def _tell(self) -> None:
        so_far = [self._so_far.get(order.name, (0, 0)) for order, _ in self._under_way.values()]
        parts = f"{self._done:,} of {counted(self._done + len(self._under_way), 'part')}"
        self._watch(
            Advance(
                sum(videos for videos, _ in so_far),
                bytes=sum(size for _, size in so_far),
                note=f"{parts}, {counted(self._workers, 'worker')}",
            )
        )


def _workers_of(client: Client) -> int:
    with scheduler_asked():
        try:
            return len(client.nthreads(callback_timeout=ANSWER_SECONDS))
        except TimeoutError:
            if client.status != "running":  # it has lost its connection and tries to restore it
                raise ConnectionError from None
            raise ClusterUnavailable(
                f"The Dask scheduler has not answered for {ANSWER_SECONDS:.0f} s.",
                state=KEPT,
                next_step="See how it is, then export again.",
            ) from None


def _result(future: Future, asked: Asked) -> PartResult | None:
    """Return the result of a finished part."""
    if future.status == "error" and (error := asked.exception()) is not None:
        raise _failure(error)
    with scheduler_asked():
        return asked.result()


def _failure(error: BaseException) -> BaseException:
    """Return the error to raise for that of a part."""
    from distributed.scheduler import KilledWorker

    if isinstance(error, KilledWorker):
        return ClusterUnavailable(
            f"Dask gave up on a part: {counted(error.allowed_failures + 1, 'worker')} died over it.",
            state=KEPT,
            next_step="See why in their logs. Where it is memory, give them more, or one thread each; "
            "where there is no harvester, install it.",
        )
    if isinstance(error, ImportError):
        what = f"A Dask worker can't do the work: {shown(str(error))}."
        return ConfigError(what, state=KEPT, next_step=_OTHER_ENVIRONMENT)
    if isinstance(error, RuntimeError) and "deserialization" in str(error):
        what = "The Dask scheduler can't read what it is given: it has no harvester, or another one."
        return ConfigError(what, state=KEPT, next_step=_OTHER_ENVIRONMENT)
    return error
