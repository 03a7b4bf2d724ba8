"""Parts made by the workers of a Dask cluster. Each worker reads the ledger and writes to the place of the part itself.

What travels is the order of a part and, back, what the manifest says of it. Credentials are the workers' own. The parts
go into the draft that this process holds: nothing is seen before all are there, and a worker that dies is made up for
by Dask, which has the part made anew by another.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from itertools import count
from typing import TYPE_CHECKING

from harvester._version import __version__
from harvester.errors import ClusterUnavailable, ConfigError, HarvesterError, LedgerUnavailable, LedgerUnusable
from harvester.export.making import Made, Maker, NextOrder, Order, make, make_here
from harvester.ledger.protocol import Books
from harvester.model import Progress
from harvester.text import shown
from harvester.watch import Watch

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

LOCAL = "local"
NO_WORKER_SECONDS = 300.0
"""How long a cluster may be without any worker: those that grow with their work need a while."""
_CONNECT_SECONDS = 30
_LIBRARIES = ("msgspec", "pyarrow", "zstandard")
_KEPT = "What stood there before is as it was; the ledger was only read."
_OTHER_ENVIRONMENT = "Install the same harvester[dask] for the scheduler and every worker, from one lock file."

OpenBooks = Callable[[], AbstractContextManager[Books]]


@dataclass(frozen=True, slots=True)
class OnDask:
    """A Maker: see there."""

    address: str
    """Of the scheduler; `local` starts a cluster of this machine's processors."""
    open_books: OpenBooks
    """How a worker opens the ledger. It is pickled."""

    def __call__(
        self, books: Books, next_order: NextOrder, watch: Watch
    ) -> Generator[tuple[Order, Made | None], None, None]:
        task = Task(self.open_books, books.progress(), _tools())
        with _connected(self.address) as client:
            yield from _all_made(client, task, next_order)


def maker_for(dask: str | None, open_books: Callable[..., AbstractContextManager[Books]], *ledger: object) -> Maker:
    """Who makes the parts of a folder: workers that open that ledger, of the scheduler at the address `dask` or of a
    cluster of this machine where it is `local`; this process where it is None."""
    return make_here if dask is None else OnDask(dask, partial(open_books, *ledger))


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker does with an order."""

    open_books: OpenBooks
    progress: Progress
    """Of the snapshot that is exported."""
    tools: tuple[tuple[str, str], ...]

    def __call__(self, order: Order) -> Made | None:
        try:
            self._see_that_tools_are_the_same()
            with self._books() as books:
                self._see_that_nobody_wrote(books)
                return make(books, order)
        except HarvesterError as error:
            error.what = f"On the Dask worker {_this_worker()}: {error.what}"
            raise

    @contextmanager
    def _books(self) -> Iterator[Books]:
        try:
            opened = self.open_books()
        except LedgerUnusable as error:
            error.next_step = (
                "Let every worker see the ledger: its server, or its file under this path on a shared disk."
            )
            raise
        with opened as books:
            yield books

    def _see_that_tools_are_the_same(self) -> None:
        if other := sorted(set(_tools()) - set(self.tools)):
            name, here = other[0]
            raise ConfigError(
                f"{name} is {here} here and {dict(self.tools)[name]} where the export began: the bytes would differ.",
                state=_KEPT,
                next_step=_OTHER_ENVIRONMENT,
            )

    def _see_that_nobody_wrote(self, books: Books) -> None:
        """Each part is read from a snapshot of its own: they are one moment's only while nothing is written."""
        if books.progress() != self.progress:
            raise LedgerUnavailable(
                "The ledger is not as it was when the export began: it was written to meanwhile, or is another copy.",
                state=_KEPT,
                next_step="Export again while no run is under way, or without --dask.",
            )


@cache
def _tools() -> tuple[tuple[str, str], ...]:
    """What the bytes of a part depend on."""
    libraries = tuple((name, version(name)) for name in _LIBRARIES)
    return ("harvester", __version__), ("zlib", zlib.ZLIB_RUNTIME_VERSION), *libraries


def _this_worker() -> str:
    from distributed import get_worker

    return str(get_worker().address)


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    """A client of the cluster; what is still under way when it is left is given up."""
    _import_dask()
    with _client_here() if address == LOCAL else _client_of(address) as client:
        yield client


def _import_dask() -> None:
    try:
        import cryptography  # noqa: F401 (what makes the certificates of a local cluster)
        import dask

        # Its log lines go the way of all other libraries', not to handlers of its own.
        dask.config.set({"logging": {"version": 1, "disable_existing_loggers": False}})
        import distributed  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"--dask needs what is not installed here ({error.name}).",
            state="Nothing was written.",
            next_step="Install harvester with it: pip install 'harvester[dask]'.",
        ) from None


@contextmanager
def _client_here() -> Iterator[Client]:
    """Of a cluster of this machine's processors, which ends with it."""
    import dask
    from distributed import Client, LocalCluster
    from distributed.security import Security

    # Without certificates, whoever has an account on this machine could have the workers do anything.
    security = Security.temporary()
    # Nor does anybody see the pages that schedulers and workers serve, or the profiles that workers take of themselves.
    silent: dict[str, object] = {f"distributed.{who}.http.routes": [] for who in ("scheduler", "worker")}
    silent["distributed.worker.profile.enabled"] = False
    place = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with (
        dask.config.set(silent),
        LocalCluster(threads_per_worker=1, security=security, **place) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _client_of(address: str) -> Client:
    from distributed import Client

    try:
        return Client(address, name="harvester-export", timeout=_CONNECT_SECONDS, set_as_default=False)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(
            f"{shown(address)} is no address of a Dask scheduler: {shown(str(error))}.",
            state="Nothing was written.",
            next_step="Write it as tcp://host:8786 or tls://host:8786, or say local.",
        ) from None
    except OSError:
        raise ClusterUnavailable(
            f"There is no Dask scheduler at {shown(address)}.",
            state="Nothing was written.",
            next_step="See that it runs and can be reached from here, then export again.",
        ) from None


def _all_made(client: Client, task: Task, next_order: NextOrder) -> Generator[tuple[Order, Made | None], None, None]:
    """All that is ordered is handed over at once: which worker takes what, and how many there are, is Dask's affair."""
    under_way: dict[Future, Order] = {}
    export = f"harvester-export-{secrets.token_hex(6)}"
    for number in count():
        while (order := next_order()) is not None:
            future = client.submit(task, order, key=f"{export}-{number}-{len(under_way)}", pure=False)
            under_way[future] = order
        if not under_way:
            return
        for future in _ended(client, list(under_way)):
            yield under_way.pop(future), _result(future)


def _ended(client: Client, futures: list[Future]) -> set[Future]:
    """Those that have ended, once there is one."""
    from distributed import wait

    while True:
        try:
            with client.as_current():
                return set(wait(futures, timeout=NO_WORKER_SECONDS, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            if not client.nthreads():
                raise ClusterUnavailable(
                    f"The Dask cluster has no worker, and had none for {NO_WORKER_SECONDS:.0f} s.",
                    state=_KEPT,
                    next_step="Start workers (dask worker tcp://scheduler:8786 --nthreads 1), then export again.",
                ) from None


def _result(future: Future) -> Made | None:
    from concurrent.futures import CancelledError

    from distributed.scheduler import KilledWorker

    try:
        made: Made | None = future.result()
    except KilledWorker as error:
        raise ClusterUnavailable(
            f"Dask gave up on a part: {error.allowed_failures + 1} workers died over it.",
            state=_KEPT,
            next_step="See why in their logs. Where it is memory, give them more, or one thread each.",
        ) from None
    except (CancelledError, asyncio.CancelledError, OSError) as error:
        raise ClusterUnavailable(
            f"The Dask scheduler is gone ({type(error).__name__}).", state=_KEPT, next_step="Export again."
        ) from None
    except ImportError as error:
        raise ConfigError(
            f"A Dask worker can't do the work: {shown(str(error))}.", state=_KEPT, next_step=_OTHER_ENVIRONMENT
        ) from None
    return made
