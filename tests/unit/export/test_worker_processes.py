"""Worker processes: the results of `map`, whatever becomes of the processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import psutil
import pytest
from waiting import LIMIT_SECONDS, wait_until

from harvester.export import worker_processes
from harvester.export.worker_processes import FEW, in_one_process, in_processes

ITEMS = 40


def in_process(number: int) -> tuple[int, int]:
    return number, os.getpid()


def killed(first: int, number: int) -> tuple[int, int]:
    """Kill the process at its second item, if it is not the first one."""
    if os.getpid() != first and number % 3 == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number, os.getpid()


def refused(number: int) -> int:
    if number == ITEMS - 1:
        raise LookupError(f"no {number}")
    return number


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_processes, "_processors", lambda: 2)
    monkeypatch.setattr(worker_processes, "WORKERS", 2)


def children() -> list[psutil.Process]:
    return psutil.Process().children()


def test_the_results_are_in_order_and_come_of_other_processes() -> None:
    before = set(children())
    found = list(in_processes(in_process, range(ITEMS)))
    assert [number for number, _ in found] == list(range(ITEMS))
    assert {pid for _, pid in found[:FEW]} == {os.getpid()}
    assert os.getpid() not in {pid for _, pid in found[FEW:]}
    assert set(children()) <= before


def test_few_items_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(subprocess, "Popen")
    assert list(in_processes(in_process, range(FEW))) == [(number, os.getpid()) for number in range(FEW)]


@pytest.mark.parametrize("how", ["one processor", "embedded", "frozen", "not to be started", "others are busy"])
def test_without_processes_all_is_done_here(how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if how == "one processor":
        monkeypatch.setattr(worker_processes, "_processors", lambda: 1)
    elif how == "frozen":
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    elif how != "others are busy":
        name = "blender" if how == "embedded" else "python-that-is-gone"
        monkeypatch.setattr(sys, "executable", str(tmp_path / name))
    with in_one_process() if how == "others are busy" else nullcontext():
        found = list(in_processes(in_process, range(ITEMS)))
    assert found == [(number, os.getpid()) for number in range(ITEMS)]


def test_a_process_that_dies_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    found = list(in_processes(partial(killed, os.getpid()), range(ITEMS)))
    assert [number for number, _ in found] == list(range(ITEMS))
    assert found[-1][1] == os.getpid()
    assert "a worker process ended early" in caplog.text


def test_a_process_that_prints_something_else_loses_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    greeting = tmp_path / "python"
    # To pickle, a line that begins with I is a number.
    greeting.write_text(f'#!/bin/sh\necho "Intel(R) Distribution"\nexec "{sys.executable}" "$@"\n')
    greeting.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(greeting))
    assert list(in_processes(in_process, range(ITEMS))) == [(number, os.getpid()) for number in range(ITEMS)]
    assert "a worker process ended early" in caplog.text


def test_an_error_is_raised_here() -> None:
    before = set(children())
    with pytest.raises(LookupError, match=f"no {ITEMS - 1}"):
        list(in_processes(refused, range(ITEMS)))
    assert set(children()) <= before


def test_who_stops_early_leaves_no_process() -> None:
    results = in_processes(in_process, range(ITEMS))
    pids = {next(results)[1] for _ in range(FEW + 1)} - {os.getpid()}
    assert pids
    results.close()  # type: ignore[attr-defined]
    assert not any(map(psutil.pid_exists, pids))


SCRIPT = """
import os, sys, time
from harvester.export import worker_processes
from test_worker_processes import in_process, two_processors

worker_processes._processors = lambda: 2
worker_processes.WORKERS = 2
for number, pid in worker_processes.in_processes(in_process, range(10**9)):
    if pid != os.getpid():
        print(pid, flush=True)
        time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_script_that_is_ended_leaves_no_process(number: signal.Signals, tmp_path: Path) -> None:
    """It has no `if __name__ == "__main__"`: multiprocessing would run it again in each process."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        workers = psutil.Process(process.pid).children()
        assert worker in {each.pid for each in workers}
        process.send_signal(number)
        process.wait(LIMIT_SECONDS)
        wait_until(lambda: not any(each.is_running() for each in workers))
