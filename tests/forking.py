"""Forks programs off a process that has imported them already: `python forking.py SOCKET LISTENER`.

SOCKET is its parent's, with whom it ends; whoever connects to LISTENER, as `forked_command.py`, has one program forked.

What a program imports costs ten times what most tests have it do. What is forked is a process of its own all the same,
with a pid, a session, an environment and an end like any other's.

Each request is a `Request` as marshal writes its fields, and the descriptors of `streams`. Where to tell, a line each,
the pid and, at the end, the status as wait() gives it, is the descriptor after these, or the connection: when that is
closed, the program is killed.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import marshal
import os
import pkgutil
import resource
import runpy
import select
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import botocore.session
from forks import READ_AT_START, read_at_start

import harvester

REQUEST_BYTES = 1 << 20
STREAMS = [0, 1, 2]
OTHERS = (
    "alembic.command",
    "boto3",
    "botocore.credentials",
    "botocore.httpsession",
    "botocore.signers",
    "pandas",
    "psycopg",
    "pyarrow.parquet",
    "rich.progress",
    "s3fs",
    "zstandard",
)
"""What harvester imports when it is needed."""


@dataclass(frozen=True)
class Request:
    arguments: list[str]
    folder: str
    env: dict[str, str]
    module: str = ""
    file: str = ""
    streams: tuple[int, ...] = (0, 1, 2)
    umask: int = -1
    open_files: tuple[int, int] | None = None
    """How many it may have, as getrlimit() gives it."""

    def begins_from_nothing(self) -> bool:
        """Whether what it is given is looked at while an interpreter starts, and not again."""
        return [*self.streams] != STREAMS or read_at_start(self.env) != READ_AT_START


class Asked(NamedTuple):
    """What came by a socket: the request, the descriptors of its streams, and where to report."""

    request: Request
    streams: list[int]
    reports: int


def import_all() -> None:
    for module in pkgutil.walk_packages(harvester.__path__, "harvester."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)
    for name in OTHERS:
        importlib.import_module(name)
    # What each process that asks S3 would read and parse.
    models = botocore.session.create_loader()
    botocore.session.create_loader = lambda _: models
    for kind in ("service-2", "endpoint-rule-set-1"):
        models.load_service_model("s3", kind)
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        models.load_data(name)
    gc.collect()
    gc.freeze()


def forked(requests: socket.socket, listener: socket.socket) -> Request:
    """Serve requests, for ever: it returns in the child of each."""
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    reported: dict[int, int] = {}
    connected: dict[int, int] = {}
    while True:
        ready = select.select([requests, listener, woken, *connected], [], [])[0]
        if woken in ready:
            os.read(woken, REQUEST_BYTES)
            report_ended(reported, connected)
            continue
        for connection in connected.keys() & ready:
            kill_session(connected.pop(connection))
        if (asked := next_request(requests, listener, ready)) is None:
            continue
        if (pid := os.fork()) == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            take_streams(asked)
            for descriptor in (requests.detach(), listener.detach(), woken, waking, *reported.values()):
                os.close(descriptor)
            return asked.request
        reported[pid] = asked.reports
        if listener in ready:
            connected[asked.reports] = pid
        for stream in asked.streams:
            os.close(stream)
        tell(asked.reports, pid)


def next_request(requests: socket.socket, listener: socket.socket, ready: list[object]) -> Asked | None:
    """The one by the listener, if it is ready, or else the parent's. None if nothing is asked for."""
    connection = listener.accept()[0] if listener in ready else requests
    if connection is requests and requests not in ready:
        return None
    message, descriptors, _, _ = socket.recv_fds(connection, REQUEST_BYTES, 4)
    if not message:
        if connection is requests:
            os._exit(0)
        connection.close()
        return None
    request = Request(**marshal.loads(message))
    reports = descriptors.pop() if connection is requests else connection.detach()
    return Asked(request, descriptors, reports)


def take_streams(asked: Asked) -> None:
    for number in STREAMS:
        os.close(number)
    for number, stream in zip(asked.request.streams, asked.streams, strict=True):
        os.dup2(stream, number)
    for descriptor in (*asked.streams, asked.reports):
        os.close(descriptor)


def kill_session(pid: int) -> None:
    """Of a child that is not waited for yet, which may be about to begin its session."""
    os.kill(pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def report_ended(reported: dict[int, int], connected: dict[int, int]) -> None:
    """Of each child that has ended, where it is to be reported."""
    while reported and (ended := os.waitpid(-1, os.WNOHANG))[0]:
        pid, status = ended
        tell(reported[pid], status)
        connected.pop(reported[pid], None)
        os.close(reported.pop(pid))


def tell(descriptor: int, number: int) -> None:
    with suppress(BrokenPipeError):  # nobody wants to know any more
        os.write(descriptor, f"{number}\n".encode())


def become(request: Request) -> None:
    os.chdir(request.folder)
    if request.umask >= 0:
        os.umask(request.umask)
    if request.open_files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, request.open_files)
    if request.begins_from_nothing():
        program = [request.file] if request.file else ["-m", request.module]
        os.execve(sys.executable, [sys.executable, *program, *request.arguments], request.env)
    os.environ.clear()
    os.environ.update(request.env)
    time.tzset()
    if request.env.get("PYTHONWARNINGS", "").startswith("error"):
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Creating scratch directories")  # of Dask: the machine is busy
    sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.argv[1:] = request.arguments
    if request.file:
        sys.argv[0], sys.path[0] = request.file, os.path.dirname(request.file)  # noqa: PTH120 (pathlib is not needed)
        runpy.run_path(request.file, run_name="__main__")
    else:
        sys.path[0] = request.folder
        runpy.run_module(request.module, run_name="__main__", alter_sys=True)


def end(error: BaseException | None) -> NoReturn:
    """As the interpreter does it, but for taking down what was imported: that would take as long as importing it."""
    code: object = 0
    if isinstance(error, SystemExit):
        code = error.code
    elif error is not None:
        traceback.print_exception(error)
        code = 1
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    import_all()
    request = forked(*(socket.socket(fileno=int(number)) for number in sys.argv[1:3]))
    try:
        become(request)
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is how the program ended)
        end(error)
    end(None)
