"""Who a process is: the same answer whenever and by whomever it is asked, and never another process's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import Popen

import psutil
import pytest

from harvester.ledger import process_identity
from harvester.ledger.process_identity import is_alive, this_process


@pytest.fixture
def child() -> Iterator[Popen[bytes]]:
    """Lives until its standard input is closed."""
    with Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        yield running
        running.kill()


def identity(pid: int) -> process_identity.ProcessIdentity:
    return replace(this_process(), pid=pid, started=process_identity._started(pid) or "")


def test_this_process_lives_and_says_so_each_time_alike() -> None:
    assert this_process() == this_process()
    assert this_process().pid == os.getpid()
    assert is_alive(this_process())


def test_another_process_sees_this_one_as_it_sees_itself() -> None:
    program = "from harvester.ledger import process_identity as process; "
    program += f"print(process._started({os.getpid()}), process._boot(), sep='|')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    me = this_process()
    assert done.stdout.strip() == f"{me.started}|{me.boot}"


def test_a_child_lives_until_it_ends_also_as_a_zombie(child: Popen[bytes]) -> None:
    me = identity(child.pid)
    assert is_alive(me)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(me)
    child.wait()
    assert not is_alive(me)


def test_a_pid_that_was_given_away_is_another_process(child: Popen[bytes]) -> None:
    assert not is_alive(replace(identity(child.pid), started="1"))
    assert not is_alive(replace(identity(child.pid), started=this_process().started))


def test_a_clock_that_is_set_kills_nobody(child: Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of day at which a process began is reckoned from the clock, and moves with it."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("only where the system counts from the boot")
    me = identity(child.pid)
    earlier = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: earlier(self) + 3)
    assert is_alive(me)


def test_without_ticks_the_time_of_day_does(child: Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_identity, "_ticks", lambda pid: None)
    me = identity(child.pid)
    assert is_alive(me)
    assert not is_alive(replace(me, pid=os.getpid()))


def test_a_process_whose_name_is_odd_is_read_all_the_same() -> None:
    """Spaces and parentheses in it look like the fields that follow."""
    program = """
import ctypes, os
from harvester.ledger import process_identity as process
before = process.this_process()
ctypes.CDLL(None).prctl(15, b"a) S 1 (b", 0, 0, 0)
assert process.this_process() == before, (before, process.this_process())
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("prctl is Linux's")
    subprocess.run([sys.executable, "-c", program], check=True)
