"""A command as a whole process: wall time, CPU time and peak memory, by the operating system's own account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# A process that is started from a large one is said to have been as large itself; so a small one starts it.
_LAUNCHER = """
import json, os, sys, time
report, argv = sys.argv[1], sys.argv[2:]
began = time.perf_counter()
pid = os.posix_spawnp(argv[0], argv, os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - began
cpu_seconds = usage.ru_utime + usage.ru_stime
with open(report, "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), seconds, cpu_seconds, usage.ru_maxrss * 1024], file)
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one process took. `seconds` is wall time from its start to its end."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    stdout: str


def run_process(
    argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Measured:
    """Run it to its end. `env` is added to this process's. Raises RuntimeError, with its words, where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        launched = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(report), *map(str, argv)]
        done = subprocess.run(launched, env={**os.environ, **(env or {})}, cwd=cwd, capture_output=True, text=True)
        if not report.exists():
            raise RuntimeError(f"{argv[0]} could not be started: {done.stderr[-2000:]}")
        code, seconds, cpu_seconds, peak_bytes = json.loads(report.read_text())
    if code != 0:
        raise RuntimeError(f"{argv[0]} ended with exit code {code}: {done.stderr[-2000:]}")
    return Measured(seconds, cpu_seconds, peak_bytes, done.stdout)
