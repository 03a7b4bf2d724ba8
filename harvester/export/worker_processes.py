"""Call a function in other processes, for work in Python itself, which threads can't do at the same time.

The processes are started by this interpreter as plain commands, because multiprocessing would import the caller's main
module in each. Whatever goes wrong with one, its work is done in this process instead, which meets the same errors.
"""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from harvester.export.prefetch import WORKERS, ahead

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

FEW = 4
"""Calls that are made here first: a few are done before a process has started."""

_in_one: ContextVar[bool] = ContextVar("in_one", default=False)


def in_processes(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`map`, by as many processes as there are processors if there are more than a few items.

    Function, items and results have to be picklable, and no result is None. Items are taken in the calling thread,
    some ahead of the reader.
    """
    rest = iter(items)
    yield from map(function, islice(rest, FEW))
    processes = min(_processors(), WORKERS)
    if processes == 1 or _in_one.get() or not _is_python(sys.executable):
        yield from map(function, rest)
        return
    idle: SimpleQueue[_Process] = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(processes):
            idle.put(process := _Process(function))
            stack.callback(process.end)

        def call(item: T) -> R:
            process = idle.get()
            try:
                answer = process.ask(item)
            finally:
                idle.put(process)
            return function(item) if answer is None else answer

        yield from ahead(call, rest)


@contextmanager
def in_one_process() -> Iterator[None]:
    """Start no process within: others use the processors already."""
    before = _in_one.set(True)
    try:
        yield
    finally:
        _in_one.reset(before)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _is_python(executable: str | None) -> bool:
    """Whether it is an interpreter, and not a program that one is embedded in."""
    return "python" in Path(executable or "").name.lower() and not getattr(sys, "frozen", False)


class _Process:
    """A process that calls a function, started when it is first asked."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._process: subprocess.Popen[bytes] | None = None
        self._failed = False

    def ask(self, item: object) -> Any:
        """Return what the function returns; None if it failed, or the process did."""
        if self._failed:
            return None
        try:
            if self._process is None:
                self._process = _started()
                pickle.dump(self._function, self._process.stdin)  # type: ignore[arg-type]
            pickle.dump(item, self._process.stdin)  # type: ignore[arg-type]
            self._process.stdin.flush()  # type: ignore[union-attr]
            return pickle.load(self._process.stdout)  # type: ignore[arg-type]  # noqa: S301 (of our own process)
        except Exception as error:  # noqa: BLE001 (an answer that is no pickle may raise anything)
            self._failed = True
            self.end()
            log.warning("a worker process ended early (%s): this process does its work", error or "no answer")
            return None

    def end(self) -> None:
        """End it, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


def _started() -> subprocess.Popen[bytes]:
    # With the same modules, and in a process group of its own: Ctrl-C goes to this process, which ends the others.
    program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
    return subprocess.Popen(  # noqa: S603 (arguments of our own making)
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )


def serve() -> None:
    """Answer the items of standard input on standard output until it ends, even if the other process is killed."""
    from harvester.support.gc_tuning import tune_gc

    source, out = sys.stdin.buffer, sys.stdout.buffer
    function = pickle.load(source)  # noqa: S301 (from the process that started this one)
    tune_gc()
    while True:
        try:
            item = pickle.load(source)  # noqa: S301 (as above)
        except EOFError:
            return
        try:
            answer = function(item)
        except Exception:  # noqa: BLE001 (it is met again by the process that asked)
            answer = None
        pickle.dump(answer, out)
        out.flush()
