"""`harvester` on a terminal of its own, whose bar and log lines come more often than a short command would see them."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import threading
from pathlib import Path

from forks import ForkedProcess, run, start
from waiting import LIMIT_SECONDS

PROGRAM = Path(__file__).with_name("eager_program.py")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def on_a_terminal(
    folder: Path, *line: str, stop_at: str = "", raw: bool = False, stdin: bytes = b"", **env: str
) -> tuple[str, str]:
    """What `harvester` writes to stdout, a pipe, and to stderr, a terminal. It gets SIGINT once `stop_at` is shown."""
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "160", "PYTHONWARNINGS": "error"} | env
    with os.fdopen(theirs, "wb", buffering=0) as terminal:
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": terminal}
        child = start(PROGRAM, line, folder=folder, env=env, **streams)
    written = b""
    feeding = threading.Thread(target=_feed, args=(child, stdin))
    feeding.start()
    while select.select([ours], [], [], LIMIT_SECONDS)[0]:
        try:
            block = os.read(ours, 65536)
        except OSError:
            break
        written += block
        if stop_at and stop_at in written.decode(errors="replace"):
            child.send_signal(signal.SIGINT)
            stop_at = ""
    assert child.stdout is not None
    with child.stdout as pipe:
        out = pipe.read().decode()
    code = child.wait(LIMIT_SECONDS)
    feeding.join()
    os.close(ours)
    assert code == 0, written.decode()
    return out, written.decode() if raw else ESCAPES.sub("", written.decode())


def _feed(child: ForkedProcess | subprocess.Popen[bytes], data: bytes) -> None:
    assert child.stdin is not None
    with child.stdin as file:
        file.write(data)


def piped(folder: Path, *line: str) -> subprocess.CompletedProcess[str]:
    """The same without a terminal."""
    done = run(PROGRAM, line, folder=folder, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done
