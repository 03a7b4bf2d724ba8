"""A client of a Dask cluster, which is running already, or is started here and ends with the client."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harvester.errors import ClusterUnavailable, ConfigError
from harvester.export.storage.destination import KEPT
from harvester.support.sanitize import shown

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
ANSWER_SECONDS = 30.0
"""Seconds for an answer of the scheduler. Dask gives up a dead connection after the same time."""
PRELOAD = "harvester.export.dask.preload"
_TO_STOP = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """Yield a client of the cluster. Work under way at the end is cancelled."""
    if address == LOCAL:
        _start_fork_server()  # it imports in parallel to this process
    _import_dask()
    with _client_here() if address == LOCAL else _client_of(address) as client:
        yield client


@contextmanager
def scheduler_asked() -> Iterator[None]:
    """Translate Dask's errors about a missing scheduler. TimeoutError is not translated."""
    from concurrent.futures import CancelledError

    from distributed.client import ClosedClientError

    try:
        yield
    except TimeoutError:
        raise
    except (CancelledError, asyncio.CancelledError, ClosedClientError, OSError) as error:
        raise ClusterUnavailable(
            f"The Dask scheduler is gone ({type(error).__name__}).",
            state=KEPT,
            next_step="Start it again, and its workers, then export again.",
        ) from None


def _import_dask() -> None:
    try:
        import cryptography  # noqa: F401 (what makes the certificates of a local cluster)
        import dask

        # Its log lines go to harvester's handlers, not to its own.
        dask.config.set({"logging": {"version": 1, "disable_existing_loggers": False}})
        import distributed  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"--dask needs what is not installed here ({error.name}).",
            state="Nothing was written.",
            next_step="Install the extra: pip install 'youtube-harvester[dask]', "
            "or in a checkout pip install '.[dask]'.",
        ) from None


def _start_fork_server() -> None:
    """Start the server from which workers are forked, so that none has to spend a second on imports. They inherit
    neither locks of this process's threads nor Dask's setting of malloc, which doubles page faults."""
    from multiprocessing import forkserver, resource_tracker

    # Its start would unblock signals.
    resource_tracker.ensure_running()
    with _signals_held():
        forkserver.set_forkserver_preload([PRELOAD])
        forkserver.ensure_running()


@contextmanager
def _client_here() -> Iterator[Client]:
    """Yield a client of a cluster of this machine's processors, which ends with it, even if this process is killed."""
    import dask
    from distributed import Client, LocalCluster
    from distributed.security import Security

    # Without certificates, every user of this machine could run code on the workers.
    security = Security.temporary()
    # Nobody sees the dashboards of scheduler and workers, or their profiles.
    settings: dict[str, object] = {f"distributed.{who}.http.routes": [] for who in ("scheduler", "worker")}
    settings["distributed.worker.profile.enabled"] = False
    # Each of them would monitor itself fifty times a second, and its memory ten times: a twentieth of the time of two
    # processors.
    settings["distributed.admin.tick.interval"] = settings["distributed.worker.memory.monitor-interval"] = "1s"
    settings["distributed.worker.multiprocessing-method"] = "forkserver"
    # On a busy machine a worker that died may need more than Dask's 15 seconds to restart.
    settings["distributed.deploy.lost-worker-timeout"] = "5 minutes"
    here = "127.0.0.1"
    with dask.config.set(settings):
        with _signals_held():
            cluster = LocalCluster(threads_per_worker=1, security=security, host=here, dashboard_address=f"{here}:0")
        with cluster, Client(cluster, timeout=ANSWER_SECONDS, set_as_default=False) as client:
            yield client


@contextmanager
def _signals_held() -> Iterator[None]:
    """Block signals while threads and processes are started, which inherit that. Ctrl-C and systemd signal all
    processes of a group; the workers are ended by this one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TO_STOP)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _client_of(address: str) -> Client:
    from distributed import Client

    try:
        _see_that_it_answers(address)
        return Client(address, name="harvester-export", timeout=ANSWER_SECONDS, set_as_default=False)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(
            f"{shown(address)} is no address of a Dask scheduler: {shown(str(error))}.",
            state="Nothing was written.",
            next_step="Write it as tcp://host:8786 or tls://host:8786, or say local.",
        ) from None
    except OSError:
        raise ClusterUnavailable(
            f"No Dask scheduler answers at {shown(address)}.",
            state="Nothing was written.",
            next_step="See that it runs and can be reached from here, then export again.",
        ) from None


def _see_that_it_answers(address: str) -> None:
    """Raise if the scheduler does not answer: a Client would wait for ever if the connection is accepted."""
    from distributed.core import connect
    from distributed.security import Security
    from distributed.utils import LoopRunner, sync

    with_certificates = Security().get_connection_args("client")
    runner = LoopRunner()
    runner.start()
    try:
        comm = sync(
            runner.loop,
            connect,
            address,
            timeout=ANSWER_SECONDS,
            callback_timeout=1.1 * ANSWER_SECONDS,
            **with_certificates,
        )
        sync(runner.loop, comm.close, callback_timeout=ANSWER_SECONDS)
    finally:
        runner.stop()
