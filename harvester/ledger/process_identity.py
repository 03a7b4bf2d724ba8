"""The identity of this process, and whether another one still lives.

Which runs count as dead: `transactions/recover_dead_runs.py`.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil

from harvester.model import ProcessIdentity


def this_process() -> ProcessIdentity:
    """Return the identity of this process."""
    return ProcessIdentity(socket.gethostname(), _boot(), os.getpid(), _started(os.getpid()) or "")


def is_alive(process: ProcessIdentity) -> bool:
    """Whether a process of this host and boot still runs, and its pid was not given to another one."""
    return _started(process.pid) == process.started


def _started(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        # A zombie holds its pid but does no work any more.
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return _ticks(pid) or f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None


def _ticks(pid: int) -> str | None:
    """Clock ticks from the boot to the process's start; None if unknown.

    A time of day would change when the clock is set, and a living process would look like another one.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The name in parentheses may hold anything; the start is the 20th field after it.
        return stat.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _boot() -> str:
    """An id of the boot and of the container: between those, a pid identifies nothing."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        # psutil's boot time drifts by a second with clock adjustments on some systems
        return str(round(psutil.boot_time(), -1))
