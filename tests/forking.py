"""Forks programs off a process that has imported them already: `python forking.py SOCKET`, ended by its parent's end.

What a program imports costs ten times what most tests have it do. What is forked is a process of its own all the same,
with a pid, a session, an environment and an end like any other's.

Each request is a JSON object with `module` or `file`, `arguments`, `folder` and `env`, and four descriptors: standard
input, output and error, and where to tell, a line each, the pid and, at the end, the status as wait() gives it.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
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
from typing import NoReturn

import harvester
from harvester.export.storage import s3_client

REQUEST_BYTES = 1 << 20
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


def import_all() -> None:
    for module in pkgutil.walk_packages(harvester.__path__, "harvester."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)
    for name in OTHERS:
        importlib.import_module(name)
    # What each process that asks S3 would read and parse.
    models = s3_client._models(None)
    for kind in ("service-2", "endpoint-rule-set-1"):
        models.load_service_model("s3", kind)
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        models.load_data(name)
    gc.collect()
    gc.freeze()


def forked(requests: socket.socket) -> Request:
    """Serve requests, for ever: it returns in the child of each."""
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    reported: dict[int, int] = {}
    while True:
        if woken in select.select([requests, woken], [], [])[0]:
            os.read(woken, REQUEST_BYTES)
            report_ended(reported)
            continue
        message, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 4)
        if not message:
            os._exit(0)
        if (pid := os.fork()) == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            for number, stream in enumerate(descriptors[:3]):
                os.dup2(stream, number)
            for descriptor in (requests.detach(), woken, waking, *descriptors, *reported.values()):
                os.close(descriptor)
            return Request(**json.loads(message))
        *streams, reported[pid] = descriptors
        for stream in streams:
            os.close(stream)
        tell(reported[pid], pid)


def report_ended(reported: dict[int, int]) -> None:
    """Of each child that has ended, where it is to be reported."""
    while reported and (ended := os.waitpid(-1, os.WNOHANG))[0]:
        pid, status = ended
        tell(reported[pid], status)
        os.close(reported.pop(pid))


def tell(descriptor: int, number: int) -> None:
    with suppress(BrokenPipeError):  # nobody wants to know any more
        os.write(descriptor, f"{number}\n".encode())


def become(request: Request) -> None:
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.env)
    time.tzset()
    if request.env.get("PYTHONWARNINGS") == "error":
        warnings.simplefilter("error")
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
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
        stream.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    import_all()
    request = forked(socket.socket(fileno=int(sys.argv[1])))
    try:
        become(request)
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is how the program ended)
        end(error)
    end(None)
